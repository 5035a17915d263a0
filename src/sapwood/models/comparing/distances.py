"""How far elements of one type lie apart: in value, and in steps from one to the next.

A step is a unit of an integer and an ULP of a floating-point number: the number of
representable values passed on the way. Positive and negative zero lie 0 steps apart.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.tensors import DType

PIECE = 1 << 15  # elements that are compared at once; some ten arrays of 8 bytes each
TINY = 1e-280  # sums of squares below may have lost what underflowed
E4M3_NAN = 0x7F  # the one magnitude of the type that is no number; it has no infinity
E4M3_SCALE = 256.0  # its exponent is biased by 7, that of f16 by 15

Bits: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
Steps: TypeAlias = npt.NDArray[np.uint64]
Values: TypeAlias = npt.NDArray[np.float64]


def bits_of(dtype: DType, data: Bytes) -> Bits:
    """Little-endian elements as unsigned integers of their width; borrowed where possible."""
    return data.view(np.dtype(f"<u{dtype.size}"))


def values_of(dtype: DType, bits: Bits) -> Values:
    """The values in binary64, exact but for integers beyond 2^53; a new array."""
    if dtype is DType.BF16:
        wide = np.left_shift(bits, 16, dtype=np.uint32).view(np.float32)
    elif dtype is DType.F8_E5M2:
        wide = np.left_shift(bits, 8, dtype=np.uint16).view(np.float16)
    elif dtype is DType.F8_E4M3:
        return _e4m3_values(bits)
    else:
        kind = {"float": "f", "int": "i", "uint": "u"}[dtype.family]
        wide = bits.view(np.dtype(f"<{kind}{dtype.size}"))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return wide.astype(np.float64)


def _e4m3_values(bits: Bits) -> Values:
    """The values of 8-bit numbers of 4 exponent bits, by way of f16."""
    wide = bits.astype(np.uint16)
    half = (((wide & 0x80) << 8) | ((wide & 0x7F) << 7)).astype(np.uint16).view(np.float16)
    values = half.astype(np.float64) * E4M3_SCALE
    values[(wide & 0x7F) == E4M3_NAN] = np.nan
    return values


def _ordered(dtype: DType, bits: Bits) -> Steps:
    """Integers that order as the elements do, 1 apart for neighbours."""
    wide = bits.astype(np.uint64)
    if dtype.family == "uint":
        return wide
    half = np.uint64(1 << (8 * dtype.size - 1))
    if dtype.family == "int":
        return np.bitwise_xor(wide, half)
    size = wide & (half - np.uint64(1))
    return np.where(wide >= half, half - size, half + size)


def steps_between(dtype: DType, base: Bits, target: Bits) -> Steps:
    """How many steps lie between elements, whatever the direction: exact for all types."""
    old, new = _ordered(dtype, base), _ordered(dtype, target)
    return np.maximum(old, new) - np.minimum(old, new)


def _sum_of_squares(values: Values) -> float:
    """Without BLAS, whose threads take longer to wake than so few values take to add."""
    return float(np.einsum("i,i->", values, values))


def _norm(values: Values) -> float:
    """The root of the sum of squares, whatever the size of finite values."""
    with np.errstate(over="ignore", under="ignore"):
        square = _sum_of_squares(values)
    if TINY < square < math.inf:
        return math.sqrt(square)
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest in {0.0, math.inf}:
        return largest
    scaled = values / largest
    return largest * math.sqrt(_sum_of_squares(scaled))


@dataclasses.dataclass
class Tally:
    """What was measured of a tensor so far.

    Attributes:
        changed: elements whose bits differ.
        incomparable: number of these where one of the two is infinite or not a number.
        finite: elements of the base that are finite.
        base_norm: root of the sum of squares of these.
        change_norm: the same of the changes of comparable elements.
        largest: largest of these changes, steps.
        total: sum of these changes, steps.
    """

    changed: int = 0
    incomparable: int = 0
    finite: int = 0
    base_norm: float = 0.0
    change_norm: float = 0.0
    largest: int = 0
    total: float = 0.0

    def add(self, dtype: DType, base: Bytes, target: Bytes) -> None:
        """Measures some elements, at most `PIECE` to keep within a few MiB.

        Args:
            dtype: the type of the elements; of BYTES, which have no values, only changes are
                counted.
            base: little-endian elements, borrowed.
            target: elements of the target, as many.
        """
        old, new = bits_of(dtype, base), bits_of(dtype, target)
        moved = np.flatnonzero(old != new)
        self.changed += len(moved)
        if dtype is DType.BYTES:
            return
        values = values_of(dtype, old)
        finite = values[np.isfinite(values)]
        self.finite += len(finite)
        self.base_norm = math.hypot(self.base_norm, _norm(finite))
        if len(moved):
            self._add_changes(dtype, old[moved], new[moved])

    def _add_changes(self, dtype: DType, old: Bits, new: Bits) -> None:
        """Measures elements that changed."""
        before, after = values_of(dtype, old), values_of(dtype, new)
        comparable = np.isfinite(before) & np.isfinite(after)
        self.incomparable += int(np.count_nonzero(~comparable))
        steps = steps_between(dtype, old[comparable], new[comparable])
        if dtype.family == "float":
            with np.errstate(over="ignore"):  # of binary64 alone
                change = after[comparable] - before[comparable]
        else:
            change = steps.astype(np.float64)
        self.change_norm = math.hypot(self.change_norm, _norm(change))
        self.largest = max(self.largest, int(np.max(steps, initial=0)))
        self.total += float(np.sum(steps, dtype=np.float64))
