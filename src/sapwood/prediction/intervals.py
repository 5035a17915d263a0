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
from sapwood.prediction.casting import numbers
from sapwood.tensors import DType

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Halves: TypeAlias = npt.NDArray[np.float32]  # half the widths of intervals
Read: TypeAlias = Callable[[int, int], tuple[Floats, Bytes]]


@dataclasses.dataclass(frozen=True, slots=True)
class ElementType:
    """How an element type rounds, seen from the working type.

    Attributes:
        dtype: the element type: bf16, f16 or f32.
        work: the working type, in which centres are: float32, or float64 for f32.
        bits: the signed integers as wide as the working type.
        half: half a unit in the last place, in patterns of the working type.
        least_normal: the least normal number, below which units are equal; 0 where the working
            type has no smaller exponents, so that none need care.
        least_half: half of such a unit.
    """

    dtype: DType
    work: np.dtype[Any]
    bits: np.dtype[Any]
    half: int
    least_normal: float
    least_half: float

    def values(self, data: Bytes) -> Floats:
        """Elements, little-endian, as numbers of the working type, a new array."""
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            return numbers(self.dtype, data).astype(self.work, copy=False)


F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
I32, I64 = np.dtype(np.int32), np.dtype(np.int64)
TYPES = {
    DType.BF16: ElementType(DType.BF16, F32, I32, 0x8000, 0.0, 0.0),
    DType.F16: ElementType(DType.F16, F32, I32, 0x1000, 2.0**-14, 2.0**-25),
    DType.F32: ElementType(DType.F32, F64, I64, 1 << 28, 2.0**-126, 2.0**-150),
}


def intervals(
    kind: ElementType, base: Floats, target: Bytes, each: bool = False
) -> tuple[Floats, Halves]:
    """Centres (working type) and half widths (float32) of the updates' intervals, new arrays.

    Args:
        kind: the element type.
        base: (n,) sums of the base terms, in the working type.
        target: the bytes of n elements, little-endian.
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
