"""Segments of a file whose format is not known.

What stands somewhere in the base is copied. What lies between the copies is often
weights that a retraining changed, every one of them, inside a container that
stayed: there the segment gets an element type and the base's bytes at the same
distance from the last copy as its prediction. Types are guessed from how the bytes
are distributed; a wrong guess costs bytes, never correctness.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sapwood.codec import plan_tensors, survey_tensor
from sapwood.codec.survey import sample_ranges
from sapwood.content.content import Bytes, Content
from sapwood.content.parts import joined
from sapwood.content.zstd import compress
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.making.matching import find_copies
from sapwood.patch.making.segments import SegmentSource
from sapwood.tensors import DType

SMALLEST = 1024  # bytes; below, a segment of its own does not pay
ABSORBED = 128  # bytes; shorter copies inside weights are chance
WINDOW = 1 << 18  # bytes that are judged together where nothing matches
SAMPLE = 1 << 15  # bytes that a judgement reads
ROW = 512  # elements; stands in for rows that are not known
STEADY = 1.05  # a window as cheap as the one before, nearly, is of the same kind
MARGIN = 0.97  # of what zstd takes: less is not worth a segment


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """Target bytes [begin, end), elements of one type.

    Attributes:
        begin, end: offsets in the target; whole elements.
        dtype: the type of the elements.
        base: where in the base the prediction begins, bytes, or None.
    """

    begin: int
    end: int
    dtype: DType
    base: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class RegionGuess:
    """What bytes may be.

    Attributes:
        dtype: the type of the elements.
        remainder: the offsets of elements in the target, modulo their size, bytes.
        shift: the offset of the prediction less that of the elements; None without one.
    """

    dtype: DType
    remainder: int
    shift: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A guess, and the bits a byte that it comes to."""

    guess: RegionGuess
    bits: float


def plain_segments(base: Bytes, target: Bytes) -> list[SegmentSource]:
    """The segments of a file of unknown format, in order, covering it."""
    same = _common_prefix(base, target)
    if same == len(target):
        return _byte_segments(target, [], [Copy(0, 0, same)] if same else [])
    copies = find_copies(base, target, same, len(target))
    if same:
        copies.insert(0, Copy(0, 0, same))
    regions = list(_find_regions(base, target, copies))
    return _byte_segments(target, regions, copies)


def _common_prefix(base: Bytes, target: Bytes) -> int:
    """Bytes that both begin with."""
    size = min(len(base), len(target))
    step = 1 << 22
    for at in range(0, size, step):
        end = min(at + step, size)
        differ = base[at:end] != target[at:end]
        if differ.any():
            return at + int(np.argmax(differ))
    return size


def _byte_segments(
    target: Bytes, regions: Sequence[Region], copies: Sequence[Copy]
) -> list[SegmentSource]:
    """Regions as typed segments, and all between them as bytes."""
    segments: list[SegmentSource] = []
    at = 0
    for region in regions:
        if region.begin > at:
            segments.append(bytes_segment(target[at : region.begin], at, copies))
        count = (region.end - region.begin) // region.dtype.size
        segments.append(
            SegmentSource(
                "",
                region.dtype,
                (count,),
                target[region.begin : region.end],
                () if region.base is None else (BaseRange(0, region.base),),
                row=ROW,
            )
        )
        at = region.end
    if len(target) > at or not segments:
        segments.append(bytes_segment(target[at:], at, copies))
    return segments


def bytes_segment(data: Content, begin: int, copies: Sequence[Copy]) -> SegmentSource:
    """A segment of bytes. One that is a single copy is predicted from it as a whole.

    Args:
        data: the bytes, borrowed.
        begin: their offset in the whole target.
        copies: copies that make up the whole target, ascending.
    """
    end = begin + len(data)
    first = bisect.bisect_right(copies, begin, key=lambda c: c.target_end)
    last = bisect.bisect_left(copies, end, lo=first, key=lambda c: c.target)
    inside = tuple(copies[first:last])
    places: tuple[BaseRange, ...] = ()
    if len(inside) == 1 and inside[0].target <= begin and inside[0].target_end >= end:
        places = (BaseRange(0, begin + inside[0].shift),)
    return SegmentSource("", DType.BYTES, (len(data),), data, places, inside)


def _find_regions(base: Bytes, target: Bytes, copies: Sequence[Copy]) -> Iterator[Region]:
    """Regions of weights, ascending and without overlap."""
    for begin, end, shifts in _stretches(base, target, copies):
        held: Region | None = None
        last: Judged | None = None
        for window in _windows(begin, end):
            judged = _judge(base, target, *window, shifts, last)
            # Elements that reach over the border between two windows belong to both.
            begin_at = window[0]
            if held is not None and 0 < begin_at - held.end < held.dtype.size:
                begin_at = held.end
            region = None
            if judged is not None:
                region = _place(judged.guess, begin_at, window[1], len(base))
            if held is not None and region is not None and _follows(held, region):
                held = dataclasses.replace(held, end=region.end)
            else:
                if held is not None:
                    yield held
                held = region
            last = judged
        if held is not None:
            yield held


def _windows(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch in parts; the last takes a short rest along."""
    while end - begin >= 2 * WINDOW:
        yield begin, begin + WINDOW
        begin += WINDOW
    yield begin, end


def _follows(before: Region, region: Region) -> bool:
    """Whether two regions are one: nothing between them, and predicted alike."""
    if before.end != region.begin or before.dtype is not region.dtype:
        return False
    if before.base is None or region.base is None:
        return before.base is region.base
    return region.base - before.base == region.begin - before.begin


def _stretches(
    base: Bytes, target: Bytes, copies: Sequence[Copy]
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """What no copy covers: begin, end and the shifts of the copies around it.

    Copies that are short and lie inside weights belong to the stretch. The beginnings
    and the ends of both files count as copies of nothing.
    """
    kept = [c for c in copies if c.length >= ABSORBED]
    shorter = [c for c in copies if c.length < ABSORBED]
    at = shift = 0
    for copy in [*kept, Copy(len(target), len(base), 0)]:
        if copy.target - at >= SMALLEST:
            first = bisect.bisect_left(shorter, at, key=lambda c: c.target)
            last = bisect.bisect_left(shorter, copy.target, lo=first, key=lambda c: c.target)
            near = _most_common([c.shift for c in shorter[first:last]])
            yield at, copy.target, tuple(dict.fromkeys([shift, copy.shift, *near]))
        at, shift = copy.target_end, copy.shift


def _most_common(shifts: Sequence[int]) -> list[int]:
    """The shift that occurs most often, if any."""
    counts = Counter(shifts)
    return [max(counts, key=lambda shift: (counts[shift], -abs(shift)))] if counts else []


def _judge(
    base: Bytes,
    target: Bytes,
    begin: int,
    end: int,
    shifts: Sequence[int],
    last: Judged | None,
) -> Judged | None:
    """How a window is best coded, or None to leave it to copies and zstd.

    Args:
        base, target: the whole files, borrowed.
        begin, end: the window, by offsets in the target.
        shifts: offsets at which its prediction may lie, less its own.
        last: the guess for the window before, which is taken if it still is right.
    """
    if end - begin < SMALLEST:
        return None
    middle = begin + (end - begin - min(SAMPLE, end - begin)) // 2
    stop = min(middle + SAMPLE, end)
    if last is not None:
        bits = _estimate(base, target, middle, stop, last.guess)
        if bits <= STEADY * last.bits:
            return Judged(last.guess, bits)
    sample = target[middle:stop]
    best_bits = MARGIN * 8 * len(compress(sample.tobytes(), 1)) / len(sample)  # a byte
    best: Judged | None = None
    for dtype, phase in _likely_types(sample):
        for shift in (None, *shifts):
            guess = RegionGuess(dtype, (middle + phase) % dtype.size, shift)
            if _place(guess, begin, end, len(base)) is None:
                continue
            bits = _estimate(base, target, middle, stop, guess)
            if bits < best_bits:
                best_bits = bits
                best = Judged(guess, bits)
    return best


def _place(guess: RegionGuess, begin: int, end: int, base_size: int) -> Region | None:
    """The whole elements of a window; None where the base does not reach so far."""
    size = guess.dtype.size
    begin += (guess.remainder - begin) % size
    end -= (end - begin) % size
    if guess.shift is None:
        return Region(begin, end, guess.dtype, None)
    if begin + guess.shift < 0 or end + guess.shift > base_size:
        return None
    return Region(begin, end, guess.dtype, begin + guess.shift)


def _estimate(base: Bytes, target: Bytes, begin: int, end: int, guess: RegionGuess) -> float:
    """Bits a byte that the sample [begin, end) takes."""
    region = _place(guess, begin, end, len(base))
    if region is None or region.end <= region.begin:
        return 8.0
    length = region.end - region.begin
    prediction = None if region.base is None else base[region.base : region.base + length]
    ranges = sample_ranges(length, guess.dtype.size, ROW)
    survey = survey_tensor(
        guess.dtype,
        None if prediction is None else joined(prediction, ranges),
        joined(target[region.begin : region.end], ranges),
        ROW,
        elements=length // guess.dtype.size,
    )
    return plan_tensors([survey]).codings[0].bits / guess.dtype.size


def _likely_types(sample: Bytes) -> list[tuple[DType, int]]:
    """Element types that the bytes look like, each with the offset of its first element.

    The byte that holds sign and exponent takes few values and the low mantissa bytes
    take all: in a type of 4 bytes one column of 4 stands out, in one of 2 bytes two.
    """
    columns = sample[: len(sample) // 4 * 4].reshape(-1, 4)
    entropy = np.array([_byte_entropy(columns[:, i]) for i in range(4)])
    high = int(np.argmin(entropy))
    across = (high + 2) % 4
    ordinary = float(np.delete(entropy, high).mean())
    if entropy[high] > ordinary - 0.5:
        return []
    if entropy[across] < ordinary:
        return [
            (DType.BF16, (high + 1) % 2),
            (DType.F16, (high + 1) % 2),
            (DType.F32, (high + 1) % 4),
        ]
    return [(DType.F32, (high + 1) % 4)]


def _byte_entropy(column: npt.NDArray[np.uint8]) -> float:
    """Order-0 entropy in bits."""
    counts = np.bincount(column, minlength=256)
    shares = counts[counts > 0] / len(column)
    return float(-(shares * np.log2(shares)).sum())
