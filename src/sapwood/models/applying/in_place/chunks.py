"""The chunks of a patch as rewrites of the file that is the base."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from sapwood.codec import Coding
from sapwood.content.content import Bytes, Content
from sapwood.errors import TargetHashMismatch
from sapwood.files.sources import EMPTY
from sapwood.models.applying.in_place.planning import Rewrite
from sapwood.models.applying.in_place.spans import Span, joined_spans
from sapwood.patch.applying.chunks import chunk_digest
from sapwood.patch.applying.decoding import ChunkJob, decode_job
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.applying.predictors import Predictor, segment_predictor
from sapwood.patch.applying.prefixed import prefix_span
from sapwood.patch.applying.splice import splice_copies
from sapwood.patch.format.front import PREDICTED, Chunk, Segment
from sapwood.patch.format.predictions import BaseRange, BlendEntry
from sapwood.tensors import DType

MOST_READS = 256  # ranges that one chunk is said to read; more are joined
LEAST_MOVE = 1024  # bytes; shorter copies are of no use for undoing

Read: TypeAlias = Callable[[int, int], Bytes]
"""Gives a copy of a range of the file as it was before any rewrite."""


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """Bytes of the base that predict bytes of the target, and the other way round.

    Attributes:
        base, target: where they begin in both, bytes.
        length: how many there are, bytes.
        dtype, row_length: the type of their elements, and how many elements a row has.
    """

    base: int
    target: int
    length: int
    dtype: DType
    row_length: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rewritten(Rewrite):
    """A chunk that changes the file.

    Attributes:
        moves: ranges of the file that its bytes were predicted from.
        number: the number of its segment in the patch, from 0.
        segment, chunk: its segment, and what the front says of the chunk.
        offset: where it begins in the segment, bytes.
        payload_at: where its payload begins in the body of the patch, bytes.
    """

    moves: tuple[Move, ...]
    number: int
    segment: Segment
    chunk: Chunk
    offset: int
    payload_at: int


def rewritten_chunks(patch: OpenPatch, in_file: frozenset[int]) -> list[Rewritten]:
    """The chunks that change the file, in the order of the target.

    Chunks that copy what is there already are left out.

    Args:
        patch: the patch, opened.
        in_file: the numbers of its bases that are the file.

    Raises:
        InvalidPatch: a payload is damaged or hostile.
    """
    found = []
    for number, segment in enumerate(patch.front.segments):
        predictor = _reading_predictor(segment, patch.body)
        at = segment.body_offset + segment.factors_size
        for chunk, begin, end in segment.spans():
            payload = patch.body[at : at + chunk.size]
            if not _stays(segment, chunk, in_file):
                first, last = segment.target_offset + begin, segment.target_offset + end
                reads, moves = _sources_of(
                    patch, in_file, ChunkJob(segment, chunk, predictor, begin, end, payload)
                )
                found.append(
                    Rewritten(first, last, reads, moves, number, segment, chunk, begin, at)
                )
            at += chunk.size
    return found


def _stays(segment: Segment, chunk: Chunk, in_file: frozenset[int]) -> bool:
    """Whether the chunk's bytes are in the file already, at their place."""
    prediction = segment.prediction
    return (
        chunk.coding is Coding.COPY
        and isinstance(prediction, BaseRange)
        and prediction.base in in_file
        and prediction.offset == segment.target_offset
    )


def _reading_predictor(segment: Segment, body: Content) -> Predictor:
    """A predictor that is good enough to tell what it reads: factors are not unpacked."""
    prediction = segment.prediction
    if isinstance(prediction, BlendEntry):
        places = tuple((term.base, term.offset) for term in prediction.terms)
        return Predictor(segment.dtype, places, None)
    return segment_predictor(segment, body, ())


def _factor_spans(segment: Segment, in_file: frozenset[int]) -> list[Span]:
    """The parts of the file that the factors of a segment are read from."""
    if not isinstance(segment.prediction, BlendEntry):
        return []
    return [
        (place.offset, place.offset + place.length)
        for place in segment.prediction.given_places()
        if place.base in in_file
    ]


class AskedRanges:
    """Stands for a base and keeps which parts of it are asked for."""

    def __init__(self, size: int, spans: list[Span]) -> None:
        """Puts them into `spans`."""
        self._size = size
        self._spans = spans

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        self._spans.append((part.start, part.stop))
        return EMPTY


def _sources_of(
    patch: OpenPatch, in_file: frozenset[int], job: ChunkJob
) -> tuple[tuple[Span, ...], tuple[Move, ...]]:
    """What a chunk reads of the file, and which of it is much like what it writes.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    begin = job.segment.target_offset + job.begin
    size = job.end - job.begin
    if job.chunk.coding is Coding.SPLICE:
        if 0 not in in_file:
            return (), ()
        copied: list[Span] = []
        moves: list[Move] = []
        for copy in splice_copies(job.payload, patch.front.header.bases[0].size, size):
            copied.append((copy.base, copy.base_end))
            if copy.length >= LEAST_MOVE:
                moves.append(Move(copy.base, begin + copy.target, copy.length, DType.BYTES, 1))
        return joined_spans(copied, MOST_READS), tuple(moves)
    if job.chunk.coding is Coding.PREFIXED:
        span = prefix_span(job.payload, patch.front.header.bases[0].size)
        return ((span,) if 0 in in_file else ()), ()
    if job.chunk.coding not in PREDICTED:
        return (), ()
    asked: list[Span] = []
    job.predictor.read(
        [
            AskedRanges(base.size, asked if i in in_file else [])
            for i, base in enumerate(patch.front.header.bases)
        ],
        job.begin,
        job.end,
    )
    if job.segment.prediction is None or job.segment.prediction.converts:
        return tuple(asked), ()
    dtype, row = job.segment.dtype, job.segment.row_length
    reads = joined_spans([*asked, *_factor_spans(job.segment, in_file)], MOST_READS)
    return reads, tuple(Move(first, begin, last - first, dtype, row) for first, last in asked)


class FileWindow:
    """The file as a base: parts of it are read when they are asked for."""

    def __init__(self, size: int, read: Read) -> None:
        """Reads by `read`."""
        self._size = size
        self._read = read

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        return self._read(part.start, part.stop)


class Decoder:
    """Makes the target bytes of chunks in any order, on any thread."""

    def __init__(self, patch: OpenPatch, bases: Sequence[Content | None], read: Read) -> None:
        """Borrows what it reads from.

        Args:
            patch: the patch, opened.
            bases: the contents of its bases, in its order; None for the file.
            read: gives a copy of a range of the file as it was.
        """
        self._patch = patch
        sizes = [base.size for base in patch.front.header.bases]
        self._bases = [
            FileWindow(size, read) if base is None else base
            for size, base in zip(sizes, bases, strict=True)
        ]
        # Factors take memory, and time to unpack; chunks of a segment come one after another.
        self._predictor = lru_cache(2)(
            lambda number: segment_predictor(patch.front.segments[number], patch.body, self._bases)
        )

    def decode(self, one: Rewritten) -> Bytes:
        """The bytes of a chunk, in memory of their own.

        Raises:
            InvalidPatch: the payload is damaged.
            TargetHashMismatch: they are not the expected ones.
        """
        out = np.empty(one.end - one.begin, np.uint8)
        payload = self._patch.body[one.payload_at : one.payload_at + one.chunk.size]
        predictor = self._predictor(one.number)
        end = one.offset + len(out)
        job = ChunkJob(one.segment, one.chunk, predictor, one.offset, end, payload)
        stretches: list[Bytes] = []
        if one.chunk.coding in PREDICTED:
            stretches = predictor.read(self._bases, job.begin, job.end)
        decode_job(job, self._patch, stretches, self._bases[0], out)
        if chunk_digest(out) != one.chunk.digest:
            raise TargetHashMismatch(
                f"{one.segment.name or 'bytes'}: the target's digest differs at byte {one.begin}"
            )
        return out
