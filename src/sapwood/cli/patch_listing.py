"""What `sapwood inspect` shows: the header in lines, and a row for each segment."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence

from sapwood.cli import file_listing
from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.tables import shortened, show_rows
from sapwood.models import Inspection, ListedSignature
from sapwood.patch import (
    CODING_WORDS,
    VERSION,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    FileDigest,
    Front,
    GivenFactors,
    QuantiseEntry,
    Segment,
)

MOST_ROWS = 20
COLUMNS = ("tensor", "dtype", "shape", "coding", "payload", "bits/weight")
ON_THE_RIGHT = frozenset({"payload", "bits/weight"})


def show(found: Inspection, most: int | None) -> None:
    """Prints facts and rows.

    Args:
        found: what the patch says of itself.
        most: rows to show, or None for all.
    """
    front, files = found.front, found.files
    signed = [("signature", _signature_words(one)) for one in found.signatures]
    for name, value in [*_headline(found), *(signed or [("signature", "none")])]:
        print(f"{name + ':':<10} {printable(value)}")
    if files is not None:
        file_listing.show(
            files,
            [one.payload_size for one in files],
            everything=most is None,
        )
    ordered = sorted(front.segments, key=lambda segment: -segment.payload_size)
    rows = [_row_of(front, segment) for segment in ordered[:most]]
    print()
    show_rows(COLUMNS, ON_THE_RIGHT, rows)
    if len(ordered) > len(rows):
        print(f"and {len(ordered) - len(rows)} more, with smaller payloads; --all shows them")


def _headline(found: Inspection) -> Iterator[tuple[str, str]]:
    """The facts of the header for people."""
    header, size = found.front.header, found.front.patch_size
    yield "patch", f"{VERSION}, {header.kind}, {header.algorithm}, by {header.writer}"
    yield "size", f"{human_size(size)}, {percentage(size, header.target.size)} of the target"
    if len(header.bases) == 1:
        yield "base", _digest_text(header.bases[0], header.base_format)
    else:
        for i, base in enumerate(header.bases):
            yield f"base {i + 1}", _digest_text(base, header.base_format)
    yield "target", _digest_text(header.target, header.target_format)
    if found.files is not None:
        yield "files", file_listing.counted(found.files)
    tensors = header.counts.get("tensors", 0)
    if tensors:
        unchanged = header.counts.get("tensors_unchanged", 0)
        yield "tensors", f"{tensors}, {unchanged} of them unchanged"
    predicted = "; ".join(_findings(found.front.segments))
    if predicted:
        yield "found", predicted
    if header.created_at is not None:
        yield "created", _time_text(header.created_at)
    if header.metadata:
        yield "metadata", json.dumps(dict(header.metadata), ensure_ascii=False)


def _findings(segments: Sequence[Segment]) -> Iterator[str]:
    """What was found in all tensors together, beyond bases as they are."""
    blends = [s.prediction for s in segments if isinstance(s.prediction, BlendEntry)]
    updates = [blend.factors for blend in blends if isinstance(blend.factors, FactorsEntry)]
    if updates:
        ranks = sorted({one.rank for one in updates})
        rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
        size = human_size(sum(one.size for one in updates))
        yield f"low-rank updates in {count(len(updates), 'tensor')}, {rank}, {size}"
    merged = sum(1 for blend in blends if isinstance(blend.factors, GivenFactors))
    if merged:
        yield f"an adapter merged into {count(merged, 'tensor')}"
    sums = sum(1 for blend in blends if not blend.is_plain)
    if sums:
        yield f"sums of bases in {count(sums, 'tensor')}"
    casts = sum(1 for s in segments if isinstance(s.prediction, CastEntry))
    if casts:
        yield f"casts of {count(casts, 'tensor')}"
    blocks = sum(1 for s in segments if isinstance(s.prediction, QuantiseEntry))
    if blocks:
        yield f"{count(blocks, 'tensor')} requantised"


def _signature_words(listed: ListedSignature) -> str:
    """A signature in a line."""
    one = listed.signature
    if listed.valid is None:
        verdict = "not checked, for want of --public-key"
    elif listed.valid:
        verdict = f"valid, by the public key {(listed.public_key or b'').hex()}"
    else:
        verdict = f"not valid: {listed.objection}"
    where = ", beside the patch" if listed.detached else ""
    return f"{one.algorithm}, key {one.key.hex()}, counter {one.counter}{where}; {verdict}"


def _digest_text(digest: FileDigest, file_format: str) -> str:
    """A file in a line."""
    kind, value = ("BLAKE3", digest.blake3)
    if digest.sha256 is not None:
        kind, value = ("SHA-256", digest.sha256)
    name = "" if digest.name is None else f"{digest.name}, "
    return f"{name}{file_format}, {human_size(digest.size)}, {kind} {value.hex()}"


def _time_text(seconds: int) -> str:
    """A time in UTC, or the number where no calendar has it."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(" ")
    except (OverflowError, ValueError, OSError):
        return count(seconds, "second") + " after 1970"


def _row_of(front: Front, segment: Segment) -> tuple[str, ...]:
    """The cells of a segment, by `COLUMNS`."""
    name = printable(segment.name)
    if not name:
        name = (
            "(the tensor)"
            if front.header.kind == "tensor"
            else f"(bytes at {segment.target_offset})"
        )
    words = "+".join(CODING_WORDS[coding] for coding, _ in segment.codings()) or "empty"
    if segment.prediction is not None:
        said = segment.prediction.words(len(front.header.bases))
        words += "".join(f", {word}" for word in said)
    if segment.name and segment.prediction is None and segment.elements:
        words += " (new)"
    bits = segment.bits_per_weight
    return (
        shortened(name),
        segment.dtype.label if segment.blocks is None else segment.blocks.name,
        "x".join(map(str, segment.shape)) or "scalar",
        words,
        human_size(segment.payload_size),
        "" if bits is None else f"{bits:.3f}",
    )
