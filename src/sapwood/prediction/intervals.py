"""The interval that the update of each element must lie in.

A target element is what base plus update was rounded to. So the update lies
within half a unit in the last place of target minus base: an interval, exact
but for ties. It is held as its centre and half its width; where target or base
is no number, or the sum overflows, half the width is infinite and the centre 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.tensors import DType

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Read: TypeAlias = Callable[[int, int], tuple[Floats, Bytes]]

HELD = 1 << 22  # elements of a matrix whose intervals are kept in memory
BLOCK = 1 << 16  # elements worked on at a time; small, so that they stay in the cache


@dataclasses.dataclass(frozen=True, slots=True)
class ElementType:
    """How an element type rounds, seen from the working type.

    Attributes:
        stored: the NumPy type of a target's bytes.
        work: the working type, in which centres are.
        bits: the integers as wide as the working type.
        half: half a unit in the last place, in patterns of the working type.
        least_normal: below it units are equal: the least normal number.
        least_half: half of such a unit.
    """

    stored: np.dtype[Any]
    work: np.dtype[Any]
    bits: np.dtype[Any]
    half: int
    least_normal: float
    least_half: float

    def values(self, data: Bytes) -> Floats:
        """Elements in the working type."""
        if self.stored == np.uint16:
            return (data.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            return data.view(self.stored).astype(self.work)


F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
I32, I64 = np.dtype(np.int32), np.dtype(np.int64)
TYPES = {
    # bfloat16 has the exponents of binary32: its subnormals need no care.
    DType.BF16: ElementType(np.dtype("<u2"), F32, I32, 0x8000, 0.0, 0.0),
    DType.F16: ElementType(np.dtype("<f2"), F32, I32, 0x1000, 2.0**-14, 2.0**-25),
    DType.F32: ElementType(np.dtype("<f4"), F64, I64, 1 << 28, 2.0**-126, 2.0**-150),
}


def intervals(
    kind: ElementType, base: Floats, target: Bytes, each: bool = False
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """Centres (working type) and half widths of the updates' intervals.

    Args:
        kind: the element type.
        base: sums of the base terms, in the working type.
        target: as many elements, little-endian.
        each: whether the update is rounded to the element type before it is added.
    """
    value = kind.values(target)
    low, high = _boundaries(kind, value)
    low -= base
    high -= base
    if each:
        # Rounded updates often meet a boundary, and ties go to the even of both neighbours.
        odd = (value.view(kind.bits) & kind.bits.type(2 * kind.half)) != 0
        np.nextafter(low, kind.work.type(np.inf), out=low, where=odd)
        np.nextafter(high, kind.work.type(-np.inf), out=high, where=odd)
        low, high = _before_rounding(kind, low, high)
    half = (high - low) * kind.work.type(0.5)
    centre = low
    centre += half
    if not np.isfinite(half.max(initial=0)) or not np.isfinite(centre.sum()):
        free = ~(np.isfinite(half) & np.isfinite(centre) & np.isfinite(value))
        half[free] = np.inf
        centre[free] = 0
    return centre, half.astype(np.float32, copy=False)


def _boundaries(kind: ElementType, value: Floats) -> tuple[Floats, Floats]:
    """Between what numbers the working type rounds to `value`: lower and upper ends.

    Halfway to the neighbour in the order of patterns is halfway in value: a boundary is
    half a unit away in patterns, also below a power of two, where units change.
    """
    bits = value.view(kind.bits)
    outer = (bits + kind.bits.type(kind.half)).view(kind.work)
    inner = (bits - kind.bits.type(kind.half)).view(kind.work)
    magnitude = np.abs(value)
    if kind.least_normal:
        small = magnitude < kind.least_normal
        if small.any():
            away = np.copysign(kind.work.type(kind.least_half), value)
            outer = np.where(small, value + away, outer)
            inner = np.where(small, value - away, inner)
    else:
        np.copyto(inner, -outer, where=magnitude == 0)
    return np.minimum(inner, outer), np.maximum(inner, outer)


def _before_rounding(kind: ElementType, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The interval of numbers that are rounded into [low, high].

    Where no number of the element type lies between, the interval stays as it is.
    """
    first = -_rounded_down(kind, -low)
    last = _rounded_down(kind, high)
    wider_low = _boundaries(kind, first)[0]
    wider_high = _boundaries(kind, last)[1]
    keep = (first <= last) & (np.maximum(np.abs(first), np.abs(last)) >= kind.least_normal)
    return np.where(keep, wider_low, low), np.where(keep, wider_high, high)


def _rounded_down(kind: ElementType, value: Floats) -> Floats:
    """The greatest number of the element type, subnormals apart, that is not above `value`."""
    step = kind.bits.type(2 * kind.half - 1)
    bits = value.view(kind.bits)
    down: Floats = np.where(bits < 0, (bits + step) & ~step, bits & ~step).view(kind.work)
    return down
