"""The part of the page on published models of every format."""

from __future__ import annotations

from typing import Any

from published_formats import MARGIN, PEERS, best, own
from tables import table

INTRODUCTION = """## Published models of every format

Pairs of files that packages on PyPI hold (`benchmarks/published_formats.toml`), measured by
`make formats`. Every patch brought its target back byte for byte. Bytes. The ratio is Sapwood's
patch at the level of zstd that the others have, against the smallest of theirs.

Every patch begins with about 850 bytes of digests, names and index. Where all the rest is a few
kilobytes they show.
"""


def formats_section(results: dict[str, Any]) -> str:
    """The table, with what is larger than asked for in bold, and the peers."""
    shown = [key for key in PEERS if key in results["pairs"][0]["peers"]]
    head = ["pair", "format", "target", *shown, "ratio"]
    rows = []
    for pair in results["pairs"]:
        ratio = own(pair) / best(pair)
        rows.append(
            [
                pair["title"],
                pair["format"],
                f"{pair['target_bytes']:,}",
                *(f"{pair['peers'][key]['bytes']:,}" for key in shown),
                f"**{ratio:.3f}**" if ratio > MARGIN else f"{ratio:.3f}",
            ]
        )
    names = ", ".join(
        f"{key} is {results['peers'][key]['name']} ({results['peers'][key]['version']})"
        for key in shown
    )
    return f"{INTRODUCTION}\n{table(head, rows)}\n{names}. CPU: {results['machine']['cpu']}.\n"
