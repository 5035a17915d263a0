"""Makes a patch: from segments to the bytes of the file.

Three steps: survey the tensors (in parallel, by samples), plan (pure), encode and
check the chunks (in parallel, in order). Payloads go to a spool file, since the
front, which stands before them, is known last.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Protocol

from blake3 import blake3

from sapwood.codec import Plan, Recipe, Survey, empty_tables, plan_tensors, survey_tensor
from sapwood.codec.chunk import Bytes, Coding
from sapwood.codec.survey import Heavy, heavy_residuals, special_values
from sapwood.patch.chunks import ChunkSource, Encoded, encode
from sapwood.patch.format import MOST_ELEMENTS, BaseRange, Header, Segment
from sapwood.patch.matching import Copy
from sapwood.patch.pipeline import check_range, ordered
from sapwood.patch.serialising import serialise_front
from sapwood.patch.writing import write_all, write_patch
from sapwood.tensors import DType

DEFAULT_CHUNK = 4 << 20  # bytes of target a chunk
SHORTEST_ROW = 64  # elements; trailing dimensions are joined up to here


class Progress(Protocol):
    """Hears how many bytes of the target are done with; called from the caller's thread."""

    def __call__(self, done: int, total: int) -> None:
        """Bytes done so far, of all."""


def silent(done: int, total: int) -> None:
    """The progress of nobody who listens."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SegmentSource:
    """A segment to be made.

    Attributes:
        name, dtype, shape: of the tensor; no name and DType.BYTES for other bytes.
        target: its bytes, borrowed; lies at its place in the whole target.
        base_offset: where in the base its prediction lies, or None.
        copies: of bytes, found in the base; offsets in the whole files.
        row: elements a row, where the shape does not tell.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    target: Bytes
    base_offset: int | None
    copies: tuple[Copy, ...] = ()
    row: int | None = None

    @property
    def row_length(self) -> int:
        """Elements of the rows that share a level."""
        return self.row or row_length(self.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What came of making a patch: its size in bytes, and the counts of its header."""

    size: int
    counts: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to make a patch.

    Attributes:
        chunk_size: bytes of target a chunk, at least 1024.
        level: of zstd, 1 to 19.
        compressing: False keeps changed chunks as they are.
        threads: at once.
    """

    chunk_size: int = DEFAULT_CHUNK
    level: int = 3
    compressing: bool = True
    threads: int = 1

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: one is out of range.
        """
        check_range(self.chunk_size, 1024, MOST_ELEMENTS, "a chunk_size in bytes")
        check_range(self.level, 1, 19, "a compression_level")


def row_length(shape: tuple[int, ...]) -> int:
    """Elements of the rows that share a level: trailing dimensions, joined until long enough.

    Tensors of one dimension are one row.
    """
    length = 1
    for size in reversed(shape[1:]):
        length *= size
        if length >= SHORTEST_ROW:
            return length
    return max(1, math.prod(shape) if len(shape) < 2 else length)


def chunk_elements(dtype: DType, row: int, chunk_size: int) -> int:
    """Elements a chunk: whole rows where they fit."""
    elements = max(1, chunk_size // dtype.size)
    return elements // row * row if row <= elements else elements


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Builder:
    """Everything that making a patch needs.

    Attributes:
        base: the whole base, borrowed.
        segments: that cover the target, in order.
        options: how.
        progress: who listens.
    """

    base: Bytes
    segments: Sequence[SegmentSource]
    options: Options
    progress: Progress = silent

    def write(self, header: Callable[[], Header], spool: IO[bytes], out: IO[bytes]) -> Written:
        """Writes the whole patch file.

        Args:
            header: asked for when the chunks are done, since digests may take as long; its
                counts are replaced by what was found.
            spool: an empty temporary file that can be read back; the caller closes it.
            out: positioned where the patch is to begin.

        Returns:
            What was written to `out`.

        Raises:
            OSError: from `spool` or `out`, which hold unfinished bytes then.
        """
        plan = self.plan()
        hasher = blake3()
        total = sum(len(s.target) for s in self.segments)
        chunks: list[list[Encoded]] = [[] for _ in self.segments]
        done = 0
        jobs = self.jobs(plan)
        for i, source, encoded in ordered(
            lambda job: (job[0], job[1], self.encoded(job[1], plan)), jobs, self.options.threads
        ):
            chunks[i].append(dataclasses.replace(encoded, payload=b""))
            hasher.update(encoded.payload)
            write_all(spool, memoryview(encoded.payload))
            done += len(source.target)
            self.progress(done, total)
        segments = [
            self.finished(source, own) for source, own in zip(self.segments, chunks, strict=True)
        ]
        body = spool.tell()
        finished = header()
        counts = tensor_counts(finished, segments)
        front = serialise_front(
            dataclasses.replace(finished, counts=counts),
            segments,
            needed_tables(plan, chunks),
            body,
            hasher.digest(),
        )
        return Written(write_patch(front, spool, out, self.options.chunk_size), counts)

    def encoded(self, source: ChunkSource, plan: Plan) -> Encoded:
        """One chunk, checked."""
        return encode(source, plan, self.options.level, self.options.compressing)

    def prediction(self, source: SegmentSource) -> Bytes | None:
        """The bytes of the base that a segment is predicted from."""
        if source.base_offset is None:
            return None
        return self.base[source.base_offset : source.base_offset + len(source.target)]

    def plan(self) -> Plan:
        """How each segment is to be coded; one recipe for each, in order."""
        numeric = [s for s in self.segments if s.dtype is not DType.BYTES and len(s.target)]
        if not self.options.compressing:
            numeric = []
        threads = self.options.threads
        specials = special_values(ordered(self.heavy, numeric, threads))
        surveys = list(ordered(lambda s: self.survey(s, specials), numeric, threads))
        planned = plan_tensors(surveys, specials)
        by_source = {id(s): r for s, r in zip(numeric, planned.recipes, strict=True)}
        other = Recipe(Coding.COMPRESSED)
        recipes = tuple(by_source.get(id(s), other) for s in self.segments)
        return Plan(recipes, planned.tables)

    def heavy(self, source: SegmentSource) -> Heavy:
        """Residuals of a tensor that come again and again."""
        base = self.prediction(source)
        if base is None:
            return {}
        return heavy_residuals(source.dtype, base, source.target, source.row_length)

    def survey(self, source: SegmentSource, specials: tuple[int, ...]) -> Survey:
        """Measurements of a tensor."""
        return survey_tensor(
            source.dtype,
            self.prediction(source),
            source.target,
            source.row_length,
            specials,
        )

    def jobs(self, plan: Plan) -> Iterator[tuple[int, ChunkSource]]:
        """The chunks in order, each with the number of its segment."""
        offset = 0
        for i, (source, recipe) in enumerate(zip(self.segments, plan.recipes, strict=True)):
            row, step = self.grid(source)
            base = self.prediction(source)
            copies = CopyCursor(source.copies)
            for begin in range(0, len(source.target), step):
                end = min(begin + step, len(source.target))
                yield (
                    i,
                    ChunkSource(
                        dtype=source.dtype,
                        row_length=row,
                        target=source.target[begin:end],
                        base=None if base is None else base[begin:end],
                        recipe=recipe,
                        offset=offset + begin,
                        whole_base=self.base,
                        copies=copies.within(offset + begin, offset + end),
                    ),
                )
            offset += len(source.target)

    def grid(self, source: SegmentSource) -> tuple[int, int]:
        """Elements a row and bytes a chunk."""
        row = source.row_length
        elements = chunk_elements(source.dtype, row, self.options.chunk_size)
        return min(row, elements), elements * source.dtype.size

    def finished(self, source: SegmentSource, encoded: Sequence[Encoded]) -> Segment:
        """A segment's entry in the index."""
        row, step = self.grid(source)
        offset = source.base_offset
        return Segment(
            name=source.name,
            dtype=source.dtype,
            shape=source.shape,
            prediction=None if offset is None else BaseRange(0, offset),
            row_length=row,
            chunk_elements=step // source.dtype.size,
            chunks=tuple(one.chunk for one in encoded),
        )


def needed_tables(plan: Plan, encoded: Sequence[Sequence[Encoded]]) -> list[bytes]:
    """The serialised sets of a plan; next to nothing where no chunk came to use one."""
    used = {one.table for own in encoded for one in own if one.table is not None}
    return [
        tables.serialised() if i in used else empty_tables()
        for i, tables in enumerate(plan.tables[: max(used, default=-1) + 1])
    ]


class CopyCursor:
    """Hands out copies range by range, cut at the borders."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        """Starts before the first of the ascending copies."""
        self._copies = copies
        self._next = 0

    def within(self, begin: int, end: int) -> tuple[Copy, ...]:
        """The copies inside [begin, end); ranges must ascend from call to call."""
        found = []
        while self._next < len(self._copies):
            copy = self._copies[self._next]
            if copy.target >= end:
                break
            first = max(copy.target, begin)
            last = min(copy.target_end, end)
            if first < last:
                found.append(Copy(first, first + copy.shift, last - first))
            if copy.target_end > end:
                break
            self._next += 1
        return tuple(found)


def tensor_counts(header: Header, segments: Sequence[Segment]) -> dict[str, int]:
    """The header's counts, with what became of the tensors."""
    tensors = [s for s in segments if s.name or header.kind == "tensor"]
    unchanged = sum(1 for s in tensors if s.unchanged)
    return {
        **header.counts,
        "tensors": len(tensors),
        "tensors_unchanged": unchanged,
        "tensors_modified": len(tensors) - unchanged,
    }
