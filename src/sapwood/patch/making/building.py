"""Makes a patch: from segments to the bytes of the file.

Three steps: survey the tensors (in parallel, by samples), plan (pure), encode and
check the chunks (in parallel, in order). Payloads go to a spool file, since the
front, which stands before them, is known last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import IO

from sapwood.codec import (
    Coding,
    CodingPlan,
    Survey,
    TensorCoding,
    empty_tables,
    plan_tensors,
    survey_tensor,
)
from sapwood.codec.estimate import estimated_bits
from sapwood.codec.survey import (
    MOST_LOOKED_THROUGH,
    SPECIAL_SIZE,
    Heavy,
    heavy_residuals,
    special_values,
)
from sapwood.content.content import Bytes, Content
from sapwood.content.parts import joined
from sapwood.limits import check_range
from sapwood.patch.applying.pipeline import ordered
from sapwood.patch.applying.predictors import Predictor
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.front import MOST_ELEMENTS, PREDICTED, Segment
from sapwood.patch.format.predictions import BLENDED
from sapwood.patch.making.choosing import (
    WORTH,
    PredictionChoice,
    choose_bases,
    choose_recipe,
    with_factors,
)
from sapwood.patch.making.chunks import ChunkSource, Encoded, encode
from sapwood.patch.making.coded import Body, CodedSegments
from sapwood.patch.making.planes import plane_pairs
from sapwood.patch.making.segments import CopyCursor, SegmentSource, chunk_grid
from sapwood.prediction.blas import one_thread
from sapwood.progress import Progress, silent
from sapwood.tensors import DType

DEFAULT_CHUNK = 4 << 20  # bytes of target a chunk


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to make a patch.

    Attributes:
        chunk_size: bytes of target a chunk, at least 1024; of blocks, bytes of their planes.
        level: level of zstd, 1 to 19.
        compressing: whether changed chunks are coded, or kept as they are.
        low_rank: whether to look for low-rank updates.
        threads: how many threads work at once.
    """

    chunk_size: int = DEFAULT_CHUNK
    level: int = 3
    compressing: bool = True
    low_rank: bool = True
    threads: int = 1

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: one is out of range.
        """
        check_range(self.chunk_size, 1024, MOST_ELEMENTS, "a chunk_size in bytes")
        check_range(self.level, 1, 19, "a compression_level")


class Passes:
    """Tells progress of two passes over the target, planning and coding, as of one."""

    def __init__(self, total: int, progress: Progress) -> None:
        """Starts before the first.

        Args:
            total: bytes of the target.
            progress: who listens.
        """
        self._total = total
        self._progress = progress
        self._done = 0

    def add(self, size: int) -> None:
        """So many bytes of a pass are done."""
        self._done += size
        self._progress(self._done // 2, self._total)


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A chunk to be made.

    Attributes:
        number: place of its segment among all, from 0.
        begin: first byte of the chunk in the segment.
        end: first byte after it there.
        offset: first byte of the chunk in the whole target.
        copies: copies that were found for the chunk; offsets in the whole files.
        predictor: predictor of the segment.
    """

    number: int
    begin: int
    end: int
    offset: int
    copies: tuple[Copy, ...]
    predictor: Predictor


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Builder:
    """Everything that making a patch needs.

    Attributes:
        bases: the whole bases, borrowed; at least one.
        segments: the segments that cover the target, in order.
        options: how to make it.
        progress: who listens.
    """

    bases: Sequence[Content]
    segments: Sequence[SegmentSource]
    options: Options
    progress: Progress = silent

    def code(self, spool: IO[bytes]) -> CodedSegments:
        """Plans, codes and checks all chunks.

        Args:
            spool: an empty temporary file that can be read back, for the payloads; stays the
                caller's.

        Raises:
            OSError: from `spool`.
        """
        passes = Passes(sum(len(s.target) for s in self.segments), self.progress)
        choices, plan = self.plan(passes)
        body = Body(spool)
        chunks: list[list[Encoded]] = [[] for _ in self.segments]
        for job, encoded in ordered(
            lambda job: (job, self.encoded(job, plan)), self.jobs(choices), self.options.threads
        ):
            if job.begin == 0:
                body.keep(choices[job.number].factors)
            chunks[job.number].append(dataclasses.replace(encoded, payload=b""))
            body.keep(encoded.payload)
            passes.add(job.end - job.begin)
        segments = [
            self.finished(source, choice, own)
            for source, choice, own in zip(self.segments, choices, chunks, strict=True)
        ]
        return body.coded(segments, _needed_tables(plan, chunks), self.options.chunk_size)

    def plan(self, passes: Passes) -> tuple[list[PredictionChoice], CodingPlan]:
        """What each segment is predicted from, and its coding; one of each, in order."""
        threads = self.options.threads
        choices = list(ordered(self.chosen, self.segments, threads))
        measured = [
            i
            for i, s in enumerate(self.segments)
            if self.options.compressing and s.dtype is not DType.BYTES and len(s.target)
        ]
        numeric = dict.fromkeys(i for i in measured if self.segments[i].blocks is None)
        blocked = [i for i in measured if i not in numeric]
        specials = special_values(ordered(lambda i: self.heavy(i, choices[i]), numeric, threads))
        surveyed = ordered(
            lambda i: self.surveyed(self.segments[i], choices[i], specials), numeric, threads
        )
        taken_apart = ordered(
            lambda i: self.survey_blocks(self.segments[i], choices[i]), blocked, threads
        )
        surveys = []
        passes.add(sum(len(s.target) for i, s in enumerate(self.segments) if i not in numeric))
        with one_thread() if self.options.low_rank else contextlib.nullcontext():
            for i, (choice, survey) in zip(numeric, surveyed, strict=True):
                choices[i] = choice
                surveys.append(survey)
                passes.add(len(self.segments[i].target))
        by_plane = list(taken_apart)
        planned = plan_tensors([*surveys, *itertools.chain(*by_plane)], specials)
        found = iter(planned.codings)
        codings = [TensorCoding(Coding.COMPRESSED)] * len(self.segments)
        for i in numeric:
            codings[i] = next(found)
        for i, planes in zip(blocked, by_plane, strict=True):
            codings[i] = TensorCoding(
                Coding.BLOCKS, planes=tuple(itertools.islice(found, len(planes)))
            )
        return choices, CodingPlan(tuple(codings), planned.tables)

    def chosen(self, source: SegmentSource) -> PredictionChoice:
        """The base, sum of bases or recipe that predicts a segment."""
        return choose_recipe(choose_bases(source, self.bases), source, self.bases)

    def heavy(self, number: int, choice: PredictionChoice) -> Heavy:
        """Residuals of a tensor that come again and again."""
        source = self.segments[number]
        if source.dtype.size != SPECIAL_SIZE or choice.entry is None:
            return {}
        ranges = source.sample_ranges(MOST_LOOKED_THROUGH)
        prediction, _, target = self.sampled(source, choice, ranges)
        assert prediction is not None
        return heavy_residuals(source.dtype, prediction, target, source.elements)

    def sampled(
        self, source: SegmentSource, choice: PredictionChoice, ranges: Sequence[tuple[int, int]]
    ) -> tuple[Bytes | None, Bytes | None, Bytes]:
        """The prediction, its edges and the target, of ranges of bytes put together."""
        prediction, edges = choice.predictor(source.dtype, self.bases).sample(self.bases, ranges)
        return prediction, edges, joined(source.target, ranges)

    def surveyed(
        self, source: SegmentSource, choice: PredictionChoice, specials: tuple[int, ...]
    ) -> tuple[PredictionChoice, Survey]:
        """The choice, with a low-rank update where that pays, and measurements against it."""
        survey = self.survey(source, choice, specials)
        if not self.options.low_rank or not survey.changed or source.dtype not in BLENDED:
            return choice, survey
        before = estimated_bits(survey, len(specials))
        better = with_factors(choice, source, self.bases, before)
        if better is None:
            return choice, survey
        resurveyed = self.survey(source, better, specials)
        after = estimated_bits(resurveyed, len(specials)) if resurveyed.changed else 0.0
        if WORTH * (after + 8 * len(better.factors)) > before:
            return choice, survey
        return better, resurveyed

    def survey(
        self, source: SegmentSource, choice: PredictionChoice, specials: tuple[int, ...]
    ) -> Survey:
        """Measurements of a tensor against its prediction."""
        prediction, edges, target = self.sampled(source, choice, source.sample_ranges())
        return survey_tensor(
            source.dtype,
            prediction,
            target,
            source.row_length,
            specials,
            elements=source.elements,
            edges=edges,
        )

    def survey_blocks(self, source: SegmentSource, choice: PredictionChoice) -> list[Survey]:
        """Measurements of each plane of a tensor of blocks against its prediction."""
        assert source.blocks is not None
        ranges = _whole_blocks(source.sample_ranges(), source.blocks.nbytes)
        prediction, _, target = self.sampled(source, choice, ranges)
        blocks = len(source.target) // source.blocks.nbytes
        return [
            survey_tensor(
                plane.field.dtype,
                plane.prediction,
                plane.target,
                plane.row_length,
                elements=blocks * plane.field.count,
                edges=plane.edges,
            )
            for plane in plane_pairs(source.blocks, prediction, target, source.row_length)
        ]

    def jobs(self, choices: Sequence[PredictionChoice]) -> Iterator[Job]:
        """The chunks in order."""
        offset = 0
        for i, (source, choice) in enumerate(zip(self.segments, choices, strict=True)):
            _, elements = self.grid(source)
            step = elements * source.dtype.size
            predictor = choice.predictor(source.dtype, self.bases)
            copies = CopyCursor(source.copies)
            for begin in range(0, len(source.target), step):
                end = min(begin + step, len(source.target))
                within = copies.within(offset + begin, offset + end)
                yield Job(i, begin, end, offset + begin, within, predictor)
            offset += len(source.target)

    def encoded(self, job: Job, plan: CodingPlan) -> Encoded:
        """One chunk, checked."""
        source = self.segments[job.number]
        target = source.target[job.begin : job.end]
        prediction, edges = job.predictor.sample(self.bases, [(job.begin, job.end)])
        return encode(
            ChunkSource(
                dtype=source.dtype,
                row_length=self.grid(source)[0],
                target=target,
                prediction=prediction,
                edges=edges,
                tensor_coding=plan.codings[job.number],
                offset=job.offset,
                whole_base=self.bases[0],
                copies=job.copies,
                blocks=source.blocks,
            ),
            plan,
            self.options.level,
            self.options.compressing,
        )

    def grid(self, source: SegmentSource) -> tuple[int, int]:
        """Elements a row and elements a chunk."""
        return chunk_grid(source.dtype, source.row_length, self.options.chunk_size, source.blocks)

    def finished(
        self, source: SegmentSource, choice: PredictionChoice, encoded: Sequence[Encoded]
    ) -> Segment:
        """A segment's entry in the index."""
        row, elements = self.grid(source)
        direct = choice.entry is not None and not choice.entry.converts
        of_use = direct or any(one.chunk.coding in PREDICTED for one in encoded)
        in_planes = any(one.chunk.coding is Coding.BLOCKS for one in encoded)
        return Segment(
            name=source.name,
            dtype=source.dtype,
            shape=source.shape,
            prediction=choice.entry if of_use else None,
            row_length=row,
            chunk_elements=elements,
            chunks=tuple(one.chunk for one in encoded),
            blocks=source.blocks if in_planes else None,
        )


def _needed_tables(plan: CodingPlan, encoded: Sequence[Sequence[Encoded]]) -> list[bytes]:
    """The serialised sets of a plan; next to nothing where no chunk came to use one."""
    used = {table for own in encoded for one in own for table in one.tables}
    return [
        tables.serialised() if i in used else empty_tables()
        for i, tables in enumerate(plan.tables[: max(used, default=-1) + 1])
    ]


def _whole_blocks(ranges: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Ranges of bytes cut down to whole blocks of that size; none that have become empty."""
    cut = ((begin // size * size, end // size * size) for begin, end in ranges)
    return [(begin, end) for begin, end in cut if begin < end]
