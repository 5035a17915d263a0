"""Turns a base into the target: decodes chunks, in parallel and in order.

The sink decides where target bytes go. Nothing is trusted before its digest was
compared: the front when the patch is opened, the body before the first chunk, the
base before the first byte is written, and each chunk of the target before it is
handed on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from blake3 import blake3

from sapwood.codec import Tables, parse_tables
from sapwood.codec.chunk import Bytes
from sapwood.errors import (
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
    TruncatedPatch,
)
from sapwood.patch.building import Progress, silent
from sapwood.patch.chunks import chunk_digest, decode
from sapwood.patch.format import DEFAULT_LIMITS, PREAMBLE, Chunk, Front, Limits, Segment
from sapwood.patch.parsing import parse_front, parse_preamble
from sapwood.patch.pipeline import ordered

Place = Callable[[int, int], Bytes]
"""Memory for the target bytes [begin, end), which the decoder fills."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OpenPatch:
    """A patch whose front was checked.

    Attributes:
        front: parsed.
        tables: ready for the kernel.
        body: the payloads, borrowed; memory-mapped, as a rule.
    """

    front: Front
    tables: tuple[Tables, ...]
    body: Bytes

    def check_body(self, threads: int = 1) -> None:
        """Compares the digest of all payloads.

        Raises:
            InvalidPatch: it differs.
        """
        if blake3(self.body.data, max_threads=threads).digest() != self.front.body_digest:
            raise InvalidPatch("damaged body: its digest differs; get the patch anew")

    def payload(self, segment: Segment, chunk_offset: int, chunk: Chunk) -> Bytes:
        """The payload of a chunk that begins `chunk_offset` bytes into its segment's."""
        begin = segment.body_offset + chunk_offset
        return self.body[begin : begin + chunk.size]


def open_patch(data: Bytes, limits: Limits = DEFAULT_LIMITS) -> OpenPatch:
    """Opens a whole patch in memory or memory-mapped.

    Args:
        data: the patch file, borrowed.
        limits: what its front and its chunks may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is
            damaged, the file cut off or too long.
    """
    preamble = parse_preamble(data[: PREAMBLE.size].tobytes(), limits)
    front = parse_front(data[: preamble.front_size].tobytes(), limits)
    expected = front.size + front.body_size
    if len(data) < expected:
        raise TruncatedPatch(
            f"cut off: expected {expected} bytes, found {len(data)}; get the patch anew"
        )
    if len(data) > expected:
        raise InvalidPatch(f"{len(data) - expected} bytes after the end; get the patch anew")
    tables = tuple(parse_tables(np.frombuffer(one, np.uint8)) for one in front.tables)
    return OpenPatch(front, tables, data[front.size :])


def check_base(patch: OpenPatch, base: Bytes, threads: int) -> None:
    """Compares size and digest of a base with what the patch was made from.

    Raises:
        SourceHashMismatch: one of them differs.
    """
    expected = patch.front.header.bases[0]
    if len(base) != expected.size:
        raise SourceHashMismatch(
            f"wrong base: expected {expected.size} bytes with BLAKE3 {expected.blake3.hex()}, "
            f"found {len(base)} bytes; apply the patch to the base that it was made from"
        )
    found = blake3(base.data, max_threads=threads).digest()
    if found != expected.blake3:
        raise SourceHashMismatch(
            f"wrong base: expected BLAKE3 {expected.blake3.hex()}, found {found.hex()}; "
            "apply the patch to the base that it was made from"
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class DecodedChunk:
    """Target bytes of a chunk, and where they belong."""

    begin: int
    end: int
    data: Bytes


def decode_chunks(
    patch: OpenPatch,
    base: Bytes,
    place: Place,
    threads: int,
    *,
    checked: bool = True,
    segments: tuple[Segment, ...] | None = None,
    progress: Progress = silent,
) -> Iterator[DecodedChunk]:
    """The chunks of the target, in order.

    Args:
        patch: opened; its body's digest is the caller's to check.
        base: whole, at least as long as the patch says.
        place: gives the memory that a chunk is decoded into, from several threads; it
            may be the base itself where the patch has no copies from elsewhere.
        threads: that decode at once.
        checked: compare each chunk's digest.
        segments: which, all by default.
        progress: who listens.

    Raises:
        InvalidPatch: a payload is damaged.
        TargetHashMismatch: a chunk came out differently. What was yielded before was right.
    """
    chosen = patch.front.segments if segments is None else segments
    total = sum(segment.nbytes for segment in chosen)
    done = 0

    def one(job: tuple[Segment, Chunk, int, int, int]) -> DecodedChunk:
        segment, chunk, begin, end, payload_at = job
        out = place(segment.target_offset + begin, segment.target_offset + end)
        decode(
            chunk.coding,
            segment.dtype,
            patch.payload(segment, payload_at, chunk),
            predicted(segment, base, begin, end),
            out,
            segment.row_length,
            base,
            patch.tables,
        )
        if checked and chunk_digest(out) != chunk.digest:
            raise TargetHashMismatch(
                f"{segment.name or 'bytes'}: the target's digest differs at byte "
                f"{segment.target_offset + begin}; the output was discarded"
            )
        return DecodedChunk(segment.target_offset + begin, segment.target_offset + end, out)

    for chunk in ordered(one, chunk_jobs(chosen), threads):
        yield chunk
        done += chunk.end - chunk.begin
        progress(done, total)


def chunk_jobs(segments: tuple[Segment, ...]) -> Iterator[tuple[Segment, Chunk, int, int, int]]:
    """Each chunk with its byte range in the segment and where its payload begins there."""
    for segment in segments:
        payload_at = 0
        for chunk, begin, end in segment.spans():
            yield segment, chunk, begin, end, payload_at
            payload_at += chunk.size


def predicted(segment: Segment, base: Bytes, begin: int, end: int) -> Bytes | None:
    """The prediction of a part of a segment."""
    if segment.prediction is None:
        return None
    offset = segment.prediction.offset
    return base[offset + begin : offset + end]
