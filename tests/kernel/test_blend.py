"""Every path of the kernel predicts what the reference says, bit for bit, edges included."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import _kernel
from sapwood.tensors import DType
from support.reference_prediction import WORKING, LowRank, predicted
from support.strategies import bit_patterns, word_type

Array = npt.NDArray[Any]

PATHS = _kernel.paths()
TYPES = sorted(WORKING, key=lambda dtype: dtype.code)
MOST = (1 << 31) - 1
NASTY = [1.0, -1.0, 0.5, -0.0, 1 / 3, 3e-4, 1.0 + 2**-23, 2.0**-149, 2.0**-126, 2.0**127, -3e38]
NASTY_DOUBLES = [5e-324, 1e308, 1.0 + 2**-52]
# Sides around the lengths of vectors and of the steps of products.
SIDES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 40, 63, 64, 65]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What is asked of the kernel, for a whole tensor of `elements` elements."""

    dtype: DType
    elements: int
    terms: list[Array]  # words
    coefficients: list[float]
    factors: LowRank | None
    each: bool

    def check(self, begin: int = 0, end: int | None = None, *, offset: int = 0) -> None:
        """The stretch is what the reference says, on every path, in place and not."""
        end = self.elements if end is None else end
        words, edges = predicted(
            self.dtype, self.terms, self.coefficients, self.factors, each=self.each
        )
        low = self.factors
        packed = None if low is None else _kernel.Factors(low.left, low.right, low.exponent)
        for path in PATHS:
            for in_place in (False, bool(self.terms)):
                parts = [moved(words_of[begin:end], offset) for words_of in self.terms]
                out = parts[-1] if in_place else moved(words[begin:end] ^ 1, offset)
                found = np.full(end - begin, 255, np.uint8)
                given_edges = None if in_place else found
                arguments = packed, begin, self.each, out, given_edges, path
                _kernel.predict(self.dtype.code, parts, self.coefficients, *arguments)
                assert np.array_equal(out.copy().view(words.dtype), words[begin:end])
                assert in_place or np.array_equal(found, edges[begin:end])


def moved(words: Array, offset: int) -> npt.NDArray[np.uint8]:
    """Their bytes in new memory, `offset` bytes from an aligned place."""
    memory = np.zeros(words.nbytes + offset, np.uint8)
    memory[offset:] = np.frombuffer(words.tobytes(), np.uint8)
    return memory[offset:]


def number(dtype: DType, value: float) -> float:
    """The nearest number of the working type."""
    return float(WORKING[dtype](value))


def low_rank(left: Any, right: Any, exponent: int = 0) -> LowRank:
    """Of one matrix."""
    return LowRank(np.array([left], np.int32), np.array([right], np.int32), exponent)


@st.composite
def factors(draw: st.DrawFn) -> LowRank:
    """Of integers that need 16 bits or more, whose sums come near to a limit or do not."""
    matrices = draw(st.sampled_from([1, 1, 2, 3]))
    rows, columns = draw(st.sampled_from(SIDES[:13])), draw(st.sampled_from(SIDES))
    rank = draw(st.integers(1, min(20, rows, columns)))
    highest = (1 << 53) // rank
    most_left = draw(st.sampled_from([1, 7, 127, 1000, 32767, 32768, 1 << 20, MOST]))
    most_right = draw(st.sampled_from([1, 7, 127, 1000, 32767, 32768, 1 << 20, MOST]))
    most_right = min(most_right, (highest - 1) // most_left)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def integers(most: int, *shape: int) -> Array:
        found = rng.integers(-most, most + 1, shape)
        extreme = rng.random(shape) < draw(st.sampled_from([0, 0.2, 1]))
        return np.where(extreme, np.where(found < 0, -most, most), found).astype(np.int32)

    left = integers(most_left, matrices, rows, rank)
    right = integers(most_right, matrices, rank, columns)
    return LowRank(left, right, draw(st.sampled_from([-126, -60, -33, -25, -20, -7, 0, 64])))


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    """Anything that can be predicted."""
    dtype = draw(st.sampled_from(TYPES))
    low = draw(st.none() | factors())
    if low is None:
        elements = draw(st.integers(0, 200))
    else:
        elements = low.left.shape[0] * low.left.shape[1] * low.right.shape[2]
    nasty = NASTY + (NASTY_DOUBLES if dtype == DType.F32 else [])
    coefficients = draw(
        st.lists(st.sampled_from(nasty), min_size=1 if low is None else 0, max_size=4)
    )
    return Prediction(
        dtype,
        elements,
        [draw(bit_patterns(dtype, elements)) for _ in coefficients],
        [number(dtype, coefficient) for coefficient in coefficients],
        low,
        draw(st.booleans()),
    )


@settings(max_examples=300)
@given(case=predictions(), cut=st.data(), offset=st.integers(0, 3))
def test_any_stretch_of_any_prediction(case: Prediction, cut: st.DataObject, offset: int) -> None:
    begin = cut.draw(st.integers(0, case.elements))
    case.check(begin, cut.draw(st.integers(begin, case.elements)), offset=offset)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("dtype", [DType.BF16, DType.F16], ids=str)
def test_every_element(dtype: DType, each: bool) -> None:
    """All patterns as they are, doubled, and moved by half of the least subnormal's unit."""
    words = np.arange(1 << 16, dtype=np.uint16)
    Prediction(dtype, len(words), [words], [1.0], None, each).check()
    Prediction(dtype, len(words), [words, words], [1.0, 1.0], None, each).check()
    steps = LowRank(np.ones((1, 1 << 14, 1), np.int32), np.array([[[-1, 1, 3, -2]]], np.int32), 0)
    for exponent in (-126, -25, -17, 3):
        low = dataclasses.replace(steps, exponent=exponent)
        Prediction(dtype, len(words), [words], [1.0], low, each).check()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_one_base_by_itself_is_the_prediction(dtype: DType) -> None:
    """But for NaNs, of which there is one."""
    rng = np.random.default_rng(1)
    words = rng.integers(0, 256, 4000 * dtype.size, dtype=np.uint8).view(word_type(dtype))
    infinity = (1 << (8 * dtype.size - 1)) - (1 << dtype.mantissa)
    size = words & ((1 << (8 * dtype.size - 1)) - 1)
    for path in PATHS:
        out = np.empty(words.nbytes, np.uint8)
        _kernel.predict(dtype.code, [words.view(np.uint8)], [1.0], None, 0, False, out, None, path)
        quiet = words.dtype.type(infinity | 1 << (dtype.mantissa - 1))
        assert np.array_equal(out.view(words.dtype), np.where(size > infinity, quiet, words))


@pytest.mark.parametrize("most", [100, 1 << 20])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_rows_longer_than_what_is_computed_at_once(dtype: DType, most: int) -> None:
    rng = np.random.default_rng(2)
    shape = (2, 9, 2501)
    left = rng.integers(-most, most, (2, 9, 5)).astype(np.int32)
    right = rng.integers(-most, most, (2, 5, 2501)).astype(np.int32)
    words = rng.integers(0, 256, 2 * 9 * 2501 * dtype.size, dtype=np.uint8).view(word_type(dtype))
    elements = int(np.prod(shape))
    case = Prediction(dtype, elements, [words], [1.0], LowRank(left, right, -30), each=False)
    case.check()
    case.check(1, elements - 1)
    case.check(9 * 2501 - 3, 9 * 2501 + 1300, offset=1)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_sums_that_just_fit(dtype: DType) -> None:
    """32 bits and one more; 2^53 - 1, which rounding to 24 bits or an inexact sum would lose."""
    ones = np.ones((8, 1), np.int64)
    for last in ([4, 1], [4, 2]):  # 2^31 - 1 and 2^31
        for sign in (1, -1):
            left = ones * [32767, 32767, 32767, 1] * sign
            right = np.array([[32767], [32767], last[:1], last[1:]]) * np.ones((1, 40), np.int64)
            case = low_rank(left, right, -31)
            Prediction(dtype, 320, [], [], case, each=False).check()
    left = ones * [1 << 27, (1 << 27) - 1]
    right = np.array([[(1 << 26) - 1], [1]]) * np.ones((1, 40), np.int64)
    base = np.full(320, 2, np.float32)
    words = (base.view(np.uint32) >> (0 if dtype == DType.F32 else 16)).astype(word_type(dtype))
    if dtype == DType.F16:
        words = base.astype(np.float16).view(np.uint16)
    coefficient = number(dtype, 1.0 - 2.0**52)
    Prediction(dtype, 320, [words], [coefficient], low_rank(left, right), each=False).check()
    if dtype == DType.F32:
        out = words.view(np.uint8)
        packed = _kernel.Factors(np.array([left], np.int32), np.array([right], np.int32), 0)
        _kernel.predict(dtype.code, [out], [coefficient], packed, 0, False, out)
        assert out.view(np.float32).tolist() == [1.0] * 320


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_multiplications_and_additions_round_one_by_one(dtype: DType) -> None:
    """Exactly 0, where a fused multiply-add would leave what the multiplication dropped."""
    one = {DType.BF16: 0x3F80, DType.F16: 0x3C00, DType.F32: 0x3F800000}[dtype]
    digits = 53 if dtype == DType.F32 else 24
    unit, ulp, scale = 2.0 ** (1 - digits), 2.0**-dtype.mantissa, 2.0**30
    product = 1.0 + ulp + unit  # less what does not fit: ulp * unit
    high, low = divmod(int(product / unit), 1 << 24)
    left = -np.ones((3, 1), np.int64) * [1 << 24, 1]
    right = np.array([[high], [low]]) * np.ones((1, 40), np.int64)
    negated = low_rank(left, right, 31 - digits)
    ones = np.full(120, one, word_type(dtype))
    terms, coefficients = [ones, ones + 1], [-product * scale, (1.0 + unit) * scale]
    for case in (
        Prediction(dtype, 120, terms[1:], coefficients[1:], negated, each=False),
        Prediction(dtype, 120, terms, coefficients, None, each=False),
    ):
        words, _ = predicted(dtype, case.terms, case.coefficients, case.factors, each=False)
        assert not words.any()
        case.check()


def test_what_edges_say() -> None:
    """On the boundary 60, on both sides of it less and less, and least on an element."""
    low = np.array([0x8000, 0x8001, 0x7FFF, 0x8002, 0x7FFD, 0xFFFF, 0x0001, 0x0000], np.int32)
    left = np.array([[[1]]], np.int32)
    right = (0x800000 + low)[None, None, :]
    expected = [60, 60, 61, 56, 55, 2, 3, 1]
    for path in PATHS:
        edges = np.empty(8, np.uint8)
        out = np.empty(16, np.uint8)
        packed = _kernel.Factors(left, right, -23)
        _kernel.predict(DType.BF16.code, [], [], packed, 0, False, out, edges, path)
        assert edges.tolist() == expected


def test_memory_is_that_of_the_integers() -> None:
    left, right = np.ones((2, 30, 4), np.int32), np.ones((2, 4, 50), np.int32)
    narrow = _kernel.Factors(left, right, 0)
    wide = _kernel.Factors(left * 40000, right, 0)
    assert (narrow.matrices, narrow.rows, narrow.rank, narrow.columns) == (2, 30, 4, 50)
    assert narrow.memory < (left.nbytes + right.nbytes) // 2 + 200
    assert wide.memory < 2 * left.nbytes + right.nbytes + 200
