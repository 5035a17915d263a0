"""The bars for merged adapters and merged models, and how far the measurements are from each."""

from __future__ import annotations

from collections.abc import Iterator

from bar import Bar
from merge_results import PLAIN, MergeResults
from results import SAPWOOD

BITS = (
    ("simulated-d2048-2e-4.bf16", 0.60),
    ("simulated-d2048-1e-3.bf16", 0.60),
    ("simulated-d4096-2e-4.bf16", 0.50),
    ("simulated-d4096-1e-3.bf16", 0.50),
    ("linear.once.bf16", 0.30),
    ("linear.each.bf16", 0.30),
)
SMALLER = tuple(
    f"r{rank}-all.{rounding}.bf16" for rounding in ("once", "each") for rank in (4, 8, 16)
)
TIMES_SMALLER = 6.0
SEARCH = 1.15  # times as long as without
APPLY = 1.6  # times as long as the plain residual


def bits_bars(results: MergeResults) -> Iterator[Bar]:
    for key, limit in BITS:
        merge = results.merge(key)
        bits = merge.bits(SAPWOOD) if merge else None
        what, asked = f"bits a weight: {key}", f"at most {limit:.2f}"
        if bits is None:
            yield Bar(what, asked, "not measured", None)
        else:
            yield Bar(what, asked, f"{bits:.3f}", bits <= limit)


def ratio_bars(results: MergeResults) -> Iterator[Bar]:
    for key in SMALLER:
        merge = results.merge(key)
        ratio = merge.ratio(SAPWOOD, PLAIN) if merge else None
        what = f"times smaller than without prediction: {key}"
        asked = f"at least {TIMES_SMALLER:.0f}"
        if ratio is None:
            yield Bar(what, asked, "not measured", None)
        else:
            yield Bar(what, asked, f"{ratio:.2f}", ratio >= TIMES_SMALLER)


def search_bars(results: MergeResults) -> Iterator[Bar]:
    for row in results.search:
        ratio = row["with_seconds"] / row["without_seconds"]
        what = f"time of create with the search, over that without: {row['key']}"
        yield Bar(what, f"at most {SEARCH}", f"{ratio:.3f}", ratio <= SEARCH)


def apply_bars(results: MergeResults) -> Iterator[Bar]:
    """File to file, hashes and all; the codec's own share is larger."""
    for merge in results.merges:
        own, plain = merge.cell(SAPWOOD), merge.cell(PLAIN)
        if not merge.key.startswith("simulated-d4096") or not own or not plain:
            continue
        if "apply_seconds" in own and "apply_seconds" in plain:
            ratio = own["apply_seconds"] / plain["apply_seconds"]
            what = f"time of apply, file to file, over the plain residual's: {merge.key}"
            yield Bar(what, f"at most {APPLY}", f"{ratio:.2f}", ratio <= APPLY)


def merge_bars(results: MergeResults) -> list[Bar]:
    return [
        *bits_bars(results),
        *ratio_bars(results),
        *apply_bars(results),
        *search_bars(results),
    ]
