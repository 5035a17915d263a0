"""What `sapwood inspect` shows: the header in lines, and a row for each segment."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

from sapwood.cli import file_listing
from sapwood.cli.prediction_words import findings
from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.signature_words import signature_words
from sapwood.cli.tables import shortened, show_rows
from sapwood.models import Inspection
from sapwood.patch import CODING_WORDS, VERSION, FileDigest, Front, Segment

MOST_ROWS = 20
COLUMNS = ("tensor", "dtype", "shape", "coding", "payload", "bits/weight")
ON_THE_RIGHT = frozenset({"payload", "bits/weight"})


def show(found: Inspection, most: int | None, *, terminal: bool) -> None:
    """Prints facts and rows.

    Args:
        found: what the patch says of itself.
        most: rows to show, or None for all.
        terminal: whether to draw a table, or to align plain text.
    """
    front, files = found.front, found.files
    signed = [("signature", signature_words(one)) for one in found.signatures]
    for name, value in [*_headline(found), *(signed or [("signature", "none")])]:
        print(f"{name + ':':<10} {printable(value)}")
    if files is not None:
        file_listing.show(
            files,
            [one.payload_size for one in files],
            everything=most is None,
            terminal=terminal,
        )
    ordered = sorted(front.segments, key=lambda segment: -segment.payload_size)
    rows = [_row_of(front, segment) for segment in ordered[:most]]
    print()
    show_rows(COLUMNS, ON_THE_RIGHT, rows, terminal=terminal)
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
    predicted = "; ".join(findings(found.front.segments))
    if predicted:
        yield "found", predicted
    if header.created_at is not None:
        yield "created", _time_text(header.created_at)
    if header.metadata:
        yield "metadata", json.dumps(dict(header.metadata), ensure_ascii=False)


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
