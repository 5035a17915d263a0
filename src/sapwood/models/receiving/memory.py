"""What decoding may take of memory, as the caller says, and how many threads that is."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from sapwood.errors import LimitExceeded
from sapwood.files.trees import LEAST_MAPPED
from sapwood.limits import Limits, check_range
from sapwood.patch.applying.decoding import ChunkJob
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.applying.scratch import Largest, decoding_memory
from sapwood.patch.format.front import Front, Segment
from sapwood.patch.format.parsing import TABLES_UNPACKED
from sapwood.patch.format.predictions import BlendEntry

LEAST = 16 << 20  # bytes
MOST = 1 << 62
SPARE = 1 << 20  # bytes for stacks, buffers of files, and what the allocator keeps back
THREAD = 1 << 19  # bytes for each thread beside the chunks that it decodes
SEGMENT, CHUNK = 1000, 200  # bytes that one takes in a parsed index
BLOCK = 128  # bytes of a quantised block's elements, which chunks may begin inside of
FITTING, HELD = 7, 3  # times the bytes of factors that unpacking takes, and that stay after it
FRONT = 8  # a part of so many is for the front while it is parsed; half for its tables


def within(memory: int | None, limits: Limits) -> Limits:
    """The limits for whom so much memory is allowed.

    Args:
        memory: bytes, or None for no bound but the limits.
        limits: the caller's limits; none becomes larger.

    Raises:
        InputError: it is no number of bytes, or too few for anything.
    """
    if memory is None:
        return limits
    check_range(memory, LEAST, MOST, "memory in bytes")
    tables = limits.front if limits.tables is None else limits.tables
    return Limits(
        front=min(limits.front, memory // FRONT),
        chunk=min(limits.chunk, memory),
        factors=min(limits.factors, memory),
        tables=min(tables, memory // 2),
    )


def fitting_threads(
    opened: OpenPatch,
    memory: int | None,
    threads: int,
    segments: Sequence[Segment] | None = None,
) -> int:
    """As many of the threads as have room; of payloads the first bytes are looked at.

    Args:
        opened: a patch that is here.
        memory: bytes, or None for any number.
        threads: how many threads are wanted.
        segments: the segments that are going to be decoded; all by default.

    Raises:
        LimitExceeded: there is not enough for one thread.
    """
    if memory is None:
        return threads
    largest = Largest()
    ends = file_ends(opened.front)
    for segment in opened.front.segments if segments is None else segments:
        at = segment.body_offset + segment.factors_size
        for chunk, begin, end in segment.spans():
            payload = opened.body[at : at + chunk.size]
            scratch = decoding_memory(opened.front, segment, chunk, end - begin, payload)
            scratch += crossing(ends, segment, begin, end)
            largest = largest.among(segment, end - begin, scratch)
            at += chunk.size
    fixed = _front_memory(opened.front)
    for count in range(threads, 0, -1):
        if fixed + _working_memory(largest, count) <= memory:
            return count
    raise _refusal(fixed, _working_memory(largest, 1), memory)


def file_ends(front: Front) -> list[list[int]]:
    """For each base where its files end, bytes: none for a base that is a file."""
    return [list(accumulate(one.size for one in base.files or ())) for base in front.header.bases]


def crossing(ends: Sequence[Sequence[int]], segment: Segment, begin: int, end: int) -> int:
    """Bytes of bases that are copied for a chunk: where a part lies in two files.

    Args:
        ends: where the files of each base end, from `file_ends`.
        segment: the segment of the chunk.
        begin, end: offsets of the chunk in the segment.
    """
    if not any(ends):
        return 0
    prediction = segment.prediction
    if isinstance(prediction, BlendEntry):  # an adapter is read before
        segment = dataclasses.replace(
            segment, prediction=dataclasses.replace(prediction, factors=None)
        )
    copied = 0
    for place in segment.places():
        first = max(0, begin * place.length // segment.nbytes - BLOCK)
        last = min(place.length, end * place.length // segment.nbytes + BLOCK)
        files = ends[place.base]
        if bisect_right(files, place.offset + first) != bisect_left(files, place.offset + last):
            copied += 2 * (last - first)
        elif files:
            copied += min(last - first, LEAST_MAPPED)
    return max(copied, 2 * (end - begin))  # what a splice copies is as long as the chunk


def _refusal(fixed: int, working: int, memory: int) -> LimitExceeded:
    """What to say where there is not enough."""
    return LimitExceeded(
        f"decoding takes {fixed + working} bytes with one thread, {fixed} of them for the index "
        f"and its tables, and {memory} are allowed; allow more memory, or have the patch made "
        "with a smaller chunk_size"
    )


def _front_memory(front: Front) -> int:
    """About the bytes that an opened patch takes, and what any process takes beside."""
    chunks = sum(len(segment.chunks) for segment in front.segments)
    files = sum(len(one.files or ()) for one in (*front.header.bases, front.header.target))
    tables = len(front.tables) * TABLES_UNPACKED
    return SPARE + SEGMENT * (len(front.segments) + files) + CHUNK * chunks + tables


def _working_memory(largest: Largest, threads: int) -> int:
    """The bytes that are in use at once while chunks are decoded."""
    factors = largest.factors * (FITTING + HELD * threads)
    if threads == 1:  # in the caller's own, one after another
        return largest.target + largest.scratch + factors
    return (threads + 1) * largest.target + threads * (largest.scratch + THREAD) + factors


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """What there is for decoding one chunk after another, of patches whose payloads come late.

    Attributes:
        memory: bytes, or None for any number.
        target: whether the memory that chunks are decoded into counts.
    """

    memory: int | None
    target: bool = True

    def window(self, usual: int) -> int:
        """Bytes of payloads to fetch at once."""
        return usual if self.memory is None else min(usual, self.memory // FRONT)

    def inspection(self, front: Front, *, remote: bool) -> Callable[[ChunkJob], None] | None:
        """What looks at each chunk before it is decoded, one at a time.

        It raises LimitExceeded where the chunk takes too much.

        Args:
            front: the front of the patch.
            remote: whether payloads are fetched into memory.
        """
        if self.memory is None:
            return None
        memory = self.memory
        ends = file_ends(front)
        fixed = _front_memory(front) + (self.window(memory) if remote else 0)

        def inspect(job: ChunkJob) -> None:
            size = job.end - job.begin
            taken = decoding_memory(front, job.segment, job.chunk, size, job.payload)
            taken += crossing(ends, job.segment, job.begin, job.end)
            taken += len(job.payload) if remote else 0
            largest = Largest().among(job.segment, size if self.target else 0, taken)
            if fixed + _working_memory(largest, 1) > memory:
                raise _refusal(fixed, _working_memory(largest, 1), memory)

        return inspect
