"""Hypothesis strategies for tensors: element types, bit patterns, shapes and layouts.

Elements are made as unsigned words, never as numbers, so that every bit pattern
occurs. Many elements come from one drawn seed, which keeps examples quick.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import ml_dtypes
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from sapwood.tensors.dtypes import DType

Array = npt.NDArray[Any]
Order = Literal["<", ">"]

NUMPY_TYPES: dict[DType, Any] = {
    DType.BF16: ml_dtypes.bfloat16,
    DType.F16: np.float16,
    DType.F32: np.float32,
    DType.F64: np.float64,
    DType.F8_E4M3: ml_dtypes.float8_e4m3fn,
    DType.F8_E5M2: ml_dtypes.float8_e5m2,
    DType.I8: np.int8,
    DType.I16: np.int16,
    DType.I32: np.int32,
    DType.I64: np.int64,
    DType.U8: np.uint8,
    DType.U16: np.uint16,
    DType.U32: np.uint32,
    DType.U64: np.uint64,
    DType.BOOL: np.bool_,
}

# Layouts that each element has memory of its own in, so that they can be written too.
WRITABLE_LAYOUTS = ("contiguous", "transposed", "strided", "reversed", "unaligned")
LAYOUTS = (*WRITABLE_LAYOUTS, "broadcast", "read-only")

ORDERS: tuple[Order, ...] = ("<", ">")

_MIXES = ("random", "nasty", "mixed", "near", "zeros", "ones")


def dtypes() -> st.SearchStrategy[DType]:
    """Every element type that an array can have: all but opaque bytes."""
    return st.sampled_from(sorted(NUMPY_TYPES, key=lambda dtype: dtype.code))


def orders() -> st.SearchStrategy[Order]:
    """Little-endian or big-endian, as NumPy writes it."""
    return st.sampled_from(ORDERS)


def shapes(max_side: int = 5, max_ndim: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """0-d, empty and up to 4-D shapes."""
    return st.lists(st.integers(0, max_side), max_size=max_ndim).map(tuple)


def word_type(dtype: DType) -> np.dtype[Any]:
    """Little-endian unsigned words of the width of `dtype`."""
    return np.dtype(f"<u{dtype.size}")


def nasty_words(dtype: DType) -> Array:
    """The words at the edges of a type: zeros, extremes, denormals, infinities, NaNs."""
    bits = 8 * dtype.size
    top = 1 << (bits - 1)  # the sign
    found = {0, 1, 2, top, top - 1, top + 1, (1 << bits) - 1, (1 << bits) - 2}
    if dtype.family == "float":
        infinity = top - (1 << dtype.mantissa)  # an exponent of ones, as in IEEE 754
        denormal = (1 << dtype.mantissa) - 1  # the largest
        quiet = infinity | 1 << (dtype.mantissa - 1)
        one = infinity // 2 & ~denormal
        positive = {
            denormal,
            denormal + 1,
            one,
            one + 1,
            infinity - 1,  # the largest finite value
            infinity,
            infinity + 1,  # a signalling NaN
            quiet,
            quiet + 1,
        }
        found |= positive | {top | word for word in positive}
    return np.array(sorted(found), dtype=np.uint64).astype(word_type(dtype))


@st.composite
def bit_patterns(draw: st.DrawFn, dtype: DType, n: int) -> Array:
    """`n` elements of `dtype` as little-endian words, 1-D and writable.

    A mix of random bits, nasty words, words near to each other, all zeros, all ones.
    """
    mix = draw(st.sampled_from(_MIXES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    words = word_type(dtype)
    random = rng.integers(0, 256, n * dtype.size, dtype=np.uint8).view(words)
    nasty = rng.choice(nasty_words(dtype), n)
    if mix == "random":
        return random
    if mix == "nasty":
        return nasty
    if mix == "mixed":
        return np.where(rng.random(n) < 0.2, nasty, random).astype(words)
    if mix == "near":
        centre = draw(st.sampled_from(nasty_words(dtype).tolist()))
        steps = rng.integers(-3, 4, n).astype(np.int64).astype(np.uint64)
        return (np.uint64(centre) + steps).astype(words)  # modulo the width
    return np.full(n, 0 if mix == "zeros" else nasty_words(dtype).max(), words)


def numpy_type(dtype: DType, order: Order = "<") -> np.dtype[Any]:
    """The NumPy dtype of an element type in a byte order."""
    native: np.dtype[Any] = np.dtype(NUMPY_TYPES[dtype])
    return native.newbyteorder(order)


def laid_out(array: Array, layout: str) -> Array:
    """The elements of `array` in new memory of another layout; the shape stays.

    'broadcast' repeats the first element along each axis, in one element's memory.
    """
    if layout == "transposed":
        return array.T.copy().T
    if layout == "strided":
        wide = np.zeros([2 * side + 1 for side in array.shape], array.dtype)
        found = wide[tuple(slice(1, None, 2) for _ in array.shape) or ...]
        found[...] = array
        return found
    if layout == "reversed":
        mirror = (slice(None, None, -1),) * array.ndim or (...,)
        return array[mirror].copy()[mirror]
    if layout == "unaligned":
        memory = np.zeros(array.nbytes + 1, np.uint8)
        memory[1:] = np.frombuffer(array.tobytes(), np.uint8)
        return memory[1:].view(array.dtype).reshape(array.shape)
    if layout == "broadcast":
        first = array.reshape(-1)[:1].copy()
        return np.broadcast_to(first.reshape(()), array.shape) if array.size else array.copy()
    found = array.copy()
    found.flags.writeable = layout != "read-only"
    return found


@st.composite
def arrays(
    draw: st.DrawFn, dtype: DType, shape: tuple[int, ...] | None = None, layout: str | None = None
) -> Array:
    """NumPy arrays of `dtype` with any bit pattern, shape, layout and byte order."""
    sides = draw(shapes()) if shape is None else shape
    words = draw(bit_patterns(dtype, math.prod(sides))).reshape(sides)
    order = draw(orders())
    # Laid out as words, and only then named floats: a copy of floats might quiet a NaN.
    placed = laid_out(
        words.astype(words.dtype.newbyteorder(order)),
        draw(st.sampled_from(LAYOUTS)) if layout is None else layout,
    )
    return placed.view(numpy_type(dtype, order))


def any_arrays() -> st.SearchStrategy[Array]:
    """Arrays of any element type."""
    return dtypes().flatmap(arrays)
