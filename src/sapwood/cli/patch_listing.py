"""What `sapwood inspect` shows: facts of the header, and a row for each segment."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sapwood.cli import file_listing
from sapwood.cli.prediction_words import findings
from sapwood.cli.reports import count, human_size, percentage, printable
from sapwood.cli.signature_words import signature_words
from sapwood.cli.tables import shortened, show_rows
from sapwood.codec import Coding
from sapwood.patch.format.front import VERSION, FileDigest, Front, Segment
from sapwood.patch.signatures import Listed
from sapwood.tensors import DType

MOST_ROWS = 20
COLUMNS = ("tensor", "dtype", "shape", "coding", "payload", "bits/weight")
ON_THE_RIGHT = frozenset({"payload", "bits/weight"})
WORDS = {
    Coding.COPY: "copied",
    Coding.RESIDUAL: "residual",
    Coding.SPARSE: "sparse",
    Coding.VALUE: "value",
    Coding.SPLICE: "spliced",
    Coding.COMPRESSED: "compressed",
    Coding.PREFIXED: "compressed with the base",
    Coding.BLOCKS: "blocks",
    Coding.RAW: "raw",
}


def facts(front: Front) -> dict[str, Any]:
    """Everything that the front of a patch tells, as JSON values."""
    header = front.header
    return {
        "command": "inspect",
        "version": VERSION,
        "kind": header.kind,
        "algorithm": header.algorithm,
        "base_format": header.base_format,
        "target_format": header.target_format,
        "dtype": None if header.dtype is None else header.dtype.label,
        "shape": list(header.shape),
        "byte_order": header.byte_order,
        "base": digest_facts(header.bases[0]),
        "bases": [{**digest_facts(one), "name": one.name} for one in header.bases],
        "target": digest_facts(header.target),
        "patch_size": front.size + front.body_size,
        "payload_size": front.body_size,
        "counts": dict(header.counts),
        "writer": header.writer,
        "created_at": header.created_at,
        "metadata": dict(header.metadata),
        "files": file_facts(front),
        "segments": [segment_facts(segment) for segment in front.segments],
    }


def file_facts(front: Front) -> list[dict[str, Any]] | None:
    """The files of a folder, and of its base; null where the target is a file."""
    files = front.header.target.files
    if files is None:
        return None
    executable = {one.path for one in files if one.executable}
    found = list(file_listing.patched_files(front))
    facts = file_listing.facts([one for one, _ in found])
    return [
        {**one, "executable": one["path"] in executable, "payload_size": payload}
        for one, (_, payload) in zip(facts, found, strict=True)
    ]


def digest_facts(digest: FileDigest) -> dict[str, Any]:
    """A file, by its content."""
    sha256 = None if digest.sha256 is None else digest.sha256.hex()
    return {"size": digest.size, "blake3": digest.blake3.hex(), "sha256": sha256}


def segment_facts(segment: Segment) -> dict[str, Any]:
    """A segment; `name` is null for what is no tensor's, `codings` in bytes of target.

    `blocks` is the type of quantised weights that were taken apart, null of other segments.
    `base` in the terms of `prediction` is the place in `bases`, from 0.
    """
    return {
        "name": segment.name or None,
        "dtype": segment.dtype.label,
        "blocks": None if segment.blocks is None else segment.blocks.name,
        "shape": list(segment.shape),
        "target_offset": segment.target_offset,
        "target_size": segment.nbytes,
        "payload_size": segment.payload_size,
        "bits_per_weight": bits_per_weight(segment),
        "predicted": segment.prediction is not None,
        "prediction": None if segment.prediction is None else segment.prediction.to_json(),
        "codings": {WORDS[coding]: size for coding, size in codings(segment)},
    }


def codings(segment: Segment) -> list[tuple[Coding, int]]:
    """The codings of a segment's chunks with the target bytes of each, the most first."""
    covered: Counter[Coding] = Counter()
    for chunk, begin, end in segment.spans():
        covered[chunk.coding] += end - begin
    return covered.most_common()


def bits_per_weight(segment: Segment) -> float | None:
    """Bits of payload for each element, or weight in a block; None where there are none.

    Of bytes likewise.
    """
    if segment.dtype is DType.BYTES or segment.elements == 0:
        return None
    weights = segment.elements
    if segment.blocks is not None:
        weights = weights // segment.blocks.nbytes * segment.blocks.weights
    return 8 * segment.payload_size / weights


def show(front: Front, signatures: Sequence[Listed], most: int | None, *, terminal: bool) -> None:
    """Prints facts and rows.

    Args:
        front: of the patch.
        signatures: of the patch, checked or not.
        most: rows to show, or None for all.
        terminal: whether to draw a table, or to align plain text.
    """
    signed = [("signature", signature_words(one)) for one in signatures]
    for name, value in [*headline(front), *(signed or [("signature", "none")])]:
        print(f"{name + ':':<10} {printable(value)}")
    if front.header.target.files is not None:
        files = list(file_listing.patched_files(front))
        file_listing.show(
            [one for one, _ in files],
            [payload for _, payload in files],
            everything=most is None,
            terminal=terminal,
        )
    ordered = sorted(front.segments, key=lambda segment: -segment.payload_size)
    rows = [row_of(front, segment) for segment in ordered[:most]]
    print()
    show_rows(COLUMNS, ON_THE_RIGHT, rows, terminal=terminal)
    if len(ordered) > len(rows):
        print(f"and {len(ordered) - len(rows)} more, with smaller payloads; --all shows them")


def headline(front: Front) -> Iterator[tuple[str, str]]:
    """The facts of the header for people."""
    header = front.header
    size = front.size + front.body_size
    yield "patch", f"{VERSION}, {header.kind}, {header.algorithm}, by {header.writer}"
    yield "size", f"{human_size(size)}, {percentage(size, header.target.size)} of the target"
    if len(header.bases) == 1:
        yield "base", digest_text(header.bases[0], header.base_format)
    else:
        for i, base in enumerate(header.bases):
            yield f"base {i + 1}", digest_text(base, header.base_format)
    yield "target", digest_text(header.target, header.target_format)
    if header.target.files is not None:
        yield "files", file_listing.counted([one for one, _ in file_listing.patched_files(front)])
    tensors = header.counts.get("tensors", 0)
    if tensors:
        unchanged = header.counts.get("tensors_unchanged", 0)
        yield "tensors", f"{tensors}, {unchanged} of them unchanged"
    found = "; ".join(findings(front.segments))
    if found:
        yield "found", found
    if header.created_at is not None:
        yield "created", time_text(header.created_at)
    if header.metadata:
        yield "metadata", json.dumps(dict(header.metadata), ensure_ascii=False)


def digest_text(digest: FileDigest, file_format: str) -> str:
    """A file in a line."""
    kind, value = ("BLAKE3", digest.blake3)
    if digest.sha256 is not None:
        kind, value = ("SHA-256", digest.sha256)
    name = "" if digest.name is None else f"{digest.name}, "
    return f"{name}{file_format}, {human_size(digest.size)}, {kind} {value.hex()}"


def time_text(seconds: int) -> str:
    """A time in UTC, or the number where no calendar has it."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(" ")
    except (OverflowError, ValueError, OSError):
        return count(seconds, "second") + " after 1970"


def row_of(front: Front, segment: Segment) -> tuple[str, ...]:
    """The cells of a segment, by `COLUMNS`."""
    name = printable(segment.name)
    if not name:
        name = (
            "(the tensor)"
            if front.header.kind == "tensor"
            else f"(bytes at {segment.target_offset})"
        )
    words = "+".join(WORDS[coding] for coding, _ in codings(segment)) or "empty"
    if segment.prediction is not None:
        said = segment.prediction.words(len(front.header.bases))
        words += "".join(f", {word}" for word in said)
    if segment.name and segment.prediction is None and segment.elements:
        words += " (new)"
    bits = bits_per_weight(segment)
    return (
        shortened(name),
        segment.dtype.label if segment.blocks is None else segment.blocks.name,
        "x".join(map(str, segment.shape)) or "scalar",
        words,
        human_size(segment.payload_size),
        "" if bits is None else f"{bits:.3f}",
    )
