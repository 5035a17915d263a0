"""Turns a base into the target: decodes chunks, in parallel and in order.

The sink decides where target bytes go. Nothing is trusted before its digest was
compared: the front when the patch is opened, the body before the first chunk, the
base before the first byte is written, and each chunk of the target before it is
handed on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sapwood.codec.chunk import uses_edges
from sapwood.content.content import Bytes, Content
from sapwood.errors import TargetHashMismatch
from sapwood.patch.applying.chunks import chunk_digest, decode
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.applying.pipeline import ordered
from sapwood.patch.applying.predictors import Predictor, segment_predictor
from sapwood.patch.format.front import PREDICTED, Chunk, Segment
from sapwood.progress import Progress, silent

Place = Callable[[int, int], Bytes]
"""Memory for the target bytes [begin, end), which the decoder fills."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class DecodedChunk:
    """Target bytes of a chunk, and where they begin and end in the whole target."""

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
    start: int = 0,
    inspect: Callable[[ChunkJob], None] | None = None,
    progress: Progress = silent,
) -> Iterator[DecodedChunk]:
    """The chunks of the target, in order.

    Args:
        patch: the opened patch; the digest of its body is the caller's to check.
        bases: the whole bases in the patch's order, each at least as long as the patch says.
        place: gives the memory that a chunk is decoded into, from several threads; it
            may be a base itself where the patch has no copies from elsewhere.
        threads: how many threads decode at once.
        checked: whether each chunk's digest is compared.
        segments: the segments to decode; all by default.
        start: first target byte that is wanted; chunks that begin before it are left out.
        inspect: is shown each chunk before it is decoded; what it raises is raised here.
        progress: who listens; what was left out counts as done.

    Raises:
        InvalidPatch: a payload is damaged.
        TargetHashMismatch: a chunk came out wrong. What was yielded before was right.
    """
    chosen = patch.front.segments if segments is None else segments
    total = sum(segment.nbytes for segment in chosen)
    done = sum(min(max(start - one.target_offset, 0), one.nbytes) for one in chosen)

    def one(job: ChunkJob) -> DecodedChunk:
        if inspect is not None:
            inspect(job)
        target_begin = job.segment.target_offset + job.begin
        out = place(target_begin, job.segment.target_offset + job.end)
        decode_job(job, patch, job.predictor.read(bases, job.begin, job.end), bases[0], out)
        if checked and chunk_digest(out) != job.chunk.digest:
            raise TargetHashMismatch(
                f"{job.segment.name or 'bytes'}: the target's digest differs at byte "
                f"{target_begin}; the output was discarded"
            )
        return DecodedChunk(target_begin, job.segment.target_offset + job.end, out)

    for chunk in ordered(one, chunk_jobs(patch, chosen, bases, start), threads):
        yield chunk
        done += chunk.end - chunk.begin
        progress(done, total)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChunkJob:
    """A chunk to be decoded.

    Attributes:
        segment: the segment that it is a part of.
        chunk: its entry in the index.
        predictor: predictor of the segment.
        begin: first byte of the chunk in the segment.
        end: first byte after it there.
        payload: its payload, borrowed.
    """

    segment: Segment
    chunk: Chunk
    predictor: Predictor
    begin: int
    end: int
    payload: Bytes


def chunk_jobs(
    patch: OpenPatch,
    segments: Sequence[Segment],
    bases: Sequence[Content] = (),
    start: int = 0,
) -> Iterator[ChunkJob]:
    """The chunks of segments in order, but for those that begin before the target byte `start`.

    In a patch of a tensor no predictor needs the bases.

    Raises:
        InvalidPatch: the factors of a segment are damaged.
    """
    for segment in segments:
        if not segment.chunks or segment.target_offset + segment.nbytes <= start:
            continue
        predictor = segment_predictor(segment, patch.body, bases)
        payload_at = segment.body_offset + segment.factors_size
        for chunk, begin, end in segment.spans():
            if segment.target_offset + begin >= start:
                payload = patch.body[payload_at : payload_at + chunk.size]
                yield ChunkJob(segment, chunk, predictor, begin, end, payload)
            payload_at += chunk.size


def decode_job(
    job: ChunkJob, patch: OpenPatch, stretches: Sequence[Bytes], whole_base: Content, out: Bytes
) -> None:
    """Writes the target bytes of a chunk to `out`.

    Args:
        job: the chunk.
        patch: the patch, for its tables.
        stretches: stretches of the bases, as the chunk's predictor reads them.
        whole_base: the first base, which copies refer to.
        out: the caller's memory; may be that of a stretch. What is in it after an error is
            unspecified.

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
