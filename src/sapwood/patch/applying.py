"""Turns a base into the target: decodes chunks, in parallel and in order.

The sink decides where target bytes go. Nothing is trusted before its digest was
compared: the front when the patch is opened, the body before the first chunk, the
base before the first byte is written, and each chunk of the target before it is
handed on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from sapwood.codec import Coding, Tables, parse_tables
from sapwood.codec.chunk import Bytes, uses_edges
from sapwood.codec.content import Content
from sapwood.errors import (
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
    TruncatedPatch,
)
from sapwood.patch.building import Progress, silent
from sapwood.patch.chunks import chunk_digest, decode
from sapwood.patch.contents import blake3_digest
from sapwood.patch.format import (
    DEFAULT_LIMITS,
    PREAMBLE,
    Chunk,
    FileDigest,
    Front,
    Limits,
    Segment,
)
from sapwood.patch.parsing import parse_front, parse_preamble
from sapwood.patch.pipeline import ordered
from sapwood.patch.predictors import Predictor, segment_predictor

# These read predictions.
PREDICTED = frozenset({Coding.COPY, Coding.RESIDUAL, Coding.SPARSE, Coding.BLOCKS})

Given = TypeVar("Given", bound=Content)
Other = TypeVar("Other")

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
    body: Content

    def check_body(self, threads: int = 1) -> None:
        """Compares the digest of all payloads.

        Raises:
            InvalidPatch: it differs.
        """
        if blake3_digest(self.body, threads) != self.front.body_digest:
            raise InvalidPatch("damaged body: its digest differs; get the patch anew")


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


def check_base(patch: OpenPatch, base: Content, threads: int) -> None:
    """Compares size and digest of a base with what the patch was made from.

    Raises:
        SourceHashMismatch: one of them differs, or the patch is made from several.
    """
    matched_bases(patch, [base], threads)


def matched_bases(patch: OpenPatch, given: Iterable[Given], threads: int) -> list[Given]:
    """The bases in the patch's order, told by their digests.

    Args:
        patch: opened.
        given: in any order; more than the patch needs will do. What comes after the last
            that is needed is not asked for.
        threads: that hash.

    Raises:
        SourceHashMismatch: one that the patch was made from is not among them.
    """
    return matched(patch, given, lambda data: data, threads)


def matched(
    patch: OpenPatch, given: Iterable[Other], content: Callable[[Other], Content], threads: int
) -> list[Other]:
    """As `matched_bases`, of things that have contents."""
    expected = patch.front.header.bases
    wanted = {(one.size, one.blake3) for one in expected}
    sizes = {one.size for one in expected}
    found: dict[tuple[int, bytes], Other] = {}
    seen: list[tuple[int, bytes | None]] = []
    for one in given:
        data = content(one)
        digest = None
        if len(data) in sizes:  # others need no hashing
            digest = blake3_digest(data, threads)
            if (len(data), digest) in wanted:
                found[len(data), digest] = one
        seen.append((len(data), digest))
        if len(found) == len(wanted):
            return [found[base.size, base.blake3] for base in expected]
    if len(expected) == len(seen) == 1:
        raise wrong_base(expected[0], *seen[0])
    missing = [one for one in expected if (one.size, one.blake3) not in found]
    raise SourceHashMismatch(
        f"wrong bases: the patch is made from {len(expected)}; of the {len(seen)} looked at "
        f"{len(expected) - len(missing)} fit; missing: "
        + "; ".join(described(one) for one in missing)
        + "; give all of them, in any order"
    )


def described(base: FileDigest) -> str:
    """A base by all that a patch knows of it."""
    name = "" if base.name is None else f"{base.name!r}, "
    return f"{name}{base.size} bytes with BLAKE3 {base.blake3.hex()}"


def wrong_base(expected: FileDigest, size: int, digest: bytes | None) -> SourceHashMismatch:
    """What is wrong with the only base that was given, where one was expected.

    Args:
        expected: what the patch was made from.
        size: that was found, bytes.
        digest: that was found; None where the size is another.
    """
    if digest is None:
        return SourceHashMismatch(
            f"wrong base: expected {expected.size} bytes with BLAKE3 {expected.blake3.hex()}, "
            f"found {size} bytes; apply the patch to the base that it was made from"
        )
    return SourceHashMismatch(
        f"wrong base: expected BLAKE3 {expected.blake3.hex()}, found {digest.hex()}; "
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
    bases: Sequence[Content],
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
        bases: in the patch's order, whole, at least as long as the patch says.
        place: gives the memory that a chunk is decoded into, from several threads; it
            may be a base itself where the patch has no copies from elsewhere.
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

    def one(job: ChunkJob) -> DecodedChunk:
        target_begin = job.segment.target_offset + job.begin
        out = place(target_begin, job.segment.target_offset + job.end)
        decode_job(job, patch, job.predictor.read(bases, job.begin, job.end), bases[0], out)
        if checked and chunk_digest(out) != job.chunk.digest:
            raise TargetHashMismatch(
                f"{job.segment.name or 'bytes'}: the target's digest differs at byte "
                f"{target_begin}; the output was discarded"
            )
        return DecodedChunk(target_begin, job.segment.target_offset + job.end, out)

    for chunk in ordered(one, chunk_jobs(patch, chosen), threads):
        yield chunk
        done += chunk.end - chunk.begin
        progress(done, total)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChunkJob:
    """A chunk to be decoded.

    Attributes:
        segment, chunk: which.
        predictor: of the segment.
        begin, end: of the chunk in the segment, bytes.
        payload: borrowed.
    """

    segment: Segment
    chunk: Chunk
    predictor: Predictor
    begin: int
    end: int
    payload: Bytes


def chunk_jobs(patch: OpenPatch, segments: Sequence[Segment]) -> Iterator[ChunkJob]:
    """The chunks of segments in order.

    Raises:
        InvalidPatch: the factors of a segment are damaged.
    """
    for segment in segments:
        if not segment.chunks:
            continue
        predictor = segment_predictor(segment, patch.body)
        payload_at = segment.body_offset + segment.factors_size
        for chunk, begin, end in segment.spans():
            payload = patch.body[payload_at : payload_at + chunk.size]
            yield ChunkJob(segment, chunk, predictor, begin, end, payload)
            payload_at += chunk.size


def decode_job(
    job: ChunkJob, patch: OpenPatch, stretches: Sequence[Bytes], whole_base: Content, out: Bytes
) -> None:
    """Writes the target bytes of a chunk to `out`.

    Args:
        job: which chunk.
        patch: for its tables.
        stretches: of the bases, as the predictor reads them.
        whole_base: what copies refer to.
        out: may be the memory of a stretch; unspecified after an error.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    prediction, edges = None, None
    if job.chunk.coding in PREDICTED:
        # Only a blend has edges; the kernel refuses a payload that wants them of another.
        if job.predictor.blend is not None and uses_edges(job.chunk.coding, job.payload):
            edges = np.empty(len(out) // job.segment.dtype.size, np.uint8)
        prediction = job.predictor.predict(stretches, job.begin, out, edges)
    decode(
        job.chunk.coding,
        job.segment.dtype,
        job.payload,
        prediction,
        out,
        job.segment.row_length,
        whole_base,
        patch.tables,
        edges,
        job.segment.blocks,
    )
