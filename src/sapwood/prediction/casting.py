"""Elements of one float type rounded to another, the same bits on every machine.

`spec/patch-v1.md`, Casts: to the nearest, ties to even, once; overflow goes to infinity, and
what is not a number becomes the one quiet NaN that blends have too.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.tensors import DType

Array: TypeAlias = npt.NDArray[Any]

AT_ONCE = 1 << 16  # elements worked on at a time; small, so that they stay in the cache
LEAST_EXPONENT = 127 - 15  # field of binary32 whose numbers are below the normal ones of binary16
WORDS: dict[DType, np.dtype[Any]] = {
    DType.BF16: np.dtype("<u2"),
    DType.F16: np.dtype("<u2"),
    DType.F32: np.dtype("<u4"),
    DType.F64: np.dtype("<u8"),
}
QUIET = {DType.BF16: 0x7FC0, DType.F16: 0x7E00, DType.F32: 0x7FC00000, DType.F64: 0x7FF8 << 48}
FLOATS: dict[DType, np.dtype[Any]] = {
    DType.F16: np.dtype("<f2"),
    DType.F32: np.dtype("<f4"),
    DType.F64: np.dtype("<f8"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Cast:
    """A prediction that is a base's elements in another type; see `conversion.Conversion`.

    Attributes:
        base: type of the base's elements.
        target: type of the predicted elements, another.
    """

    base: DType
    target: DType

    def stretch(self, begin: int, end: int) -> tuple[int, int]:
        """Which bytes of the base's elements the predicted bytes [begin, end) are made of."""
        size = self.target.size
        return begin // size * self.base.size, -(-end // size) * self.base.size

    def convert(self, elements: Bytes, begin: int, out: Bytes) -> None:
        """Predicts a stretch, which is whole elements."""
        del begin
        step, size = AT_ONCE * self.base.size, AT_ONCE * self.target.size
        for i in range(-(-len(elements) // step)):
            words = cast_words(self.base, self.target, elements[i * step : (i + 1) * step])
            out[i * size : (i + 1) * size] = words.view(np.uint8)


def cast_words(dtype: DType, target: DType, elements: Bytes) -> Array:
    """Elements rounded to another type, as little-endian words of its width, a new array.

    Args:
        dtype: type of the elements, one of WORDS.
        target: the type that they are rounded to, another of WORDS.
        elements: bytes of the elements, little-endian; of any alignment.
    """
    wide = numbers(dtype, elements)
    nan = np.isnan(wide)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if dtype is DType.F64 and target.size == 2:
            # Rounded twice to the nearest a tie may be made where there was none.
            wide = _to_odd(wide)
        words = _nearest(wide, target)
    if nan.any():
        words[nan] = QUIET[target]
    return words


def numbers(dtype: DType, elements: Bytes) -> Array:
    """Elements, little-endian, as binary32, or those of f64 as binary64, exactly.

    Those of f32 and f64 are not copied.
    """
    if dtype is DType.BF16:
        wide: Array = elements.view("<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4")
    found: Array = elements.view(FLOATS[dtype])
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return found.astype("<f4") if dtype is DType.F16 else found


def _nearest(wide: Array, target: DType) -> Array:
    """Numbers rounded to a type, as words; what is not a number becomes anything."""
    if target is DType.F16 and wide.itemsize == 4:
        return _halves(wide)
    if target is not DType.BF16:
        return wide.astype(FLOATS[target]).view(WORDS[target])
    bits = wide.view("<u4")
    half = (bits >> np.uint32(16) & np.uint32(1)) + np.uint32(0x7FFF)
    rounded: Array = bits + half >> np.uint32(16)
    return rounded.astype("<u2")


def _halves(wide: Array) -> Array:
    """Binary32 as words of binary16: in integers, three times as fast as NumPy's own."""
    bits = wide.view("<u4")
    size = bits & np.uint32(0x7FFFFFFF)
    words: Array = size >> np.uint32(13)
    words &= np.uint32(1)
    words += size
    words -= np.uint32((LEAST_EXPONENT << 23) - 0xFFF)
    words >>= np.uint32(13)
    np.minimum(words, np.uint32(0x7C00), out=words)  # infinity
    (small,) = np.nonzero(size < np.uint32(LEAST_EXPONENT + 1 << 23))
    if len(small):  # beside 0.5 a number has the unit of subnormal ones
        lifted: Array = size[small].view("<f4") + np.float32(0.5)
        words[small] = lifted.view("<u4") & np.uint32(0x7FFFFF)
    words |= bits >> np.uint32(16) & np.uint32(0x8000)
    return words.astype("<u2")


def _to_odd(wide: Array) -> Array:
    """Binary64 as binary32, rounded to odd: towards zero, and the last bit set if inexact.

    Rounding that again, to at least two bits less, gives what rounding at once gives.
    """
    narrow: Array = wide.astype("<f4")
    back = narrow.astype("<f8")
    inexact = (back != wide) & ~np.isnan(wide)
    bits = narrow.view("<u4")
    bits -= (inexact & (np.abs(back) > np.abs(wide))).astype("<u4")
    bits |= inexact.astype("<u4")
    return narrow
