"""A low-rank update is found from base and target alone, and dismissed where there is none.

Found factors are judged by a reference of the prediction's definition, in plain NumPy:
how many elements it misses, and that its bounds hold.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from sapwood.prediction.factors import Factors
from sapwood.prediction.intervals import TYPES, Floats, Read, intervals
from sapwood.prediction.lowrank import Found, find_factors, matrices_of
from sapwood.prediction.residual_bits import best_scale
from sapwood.tensors import DType

WORK: dict[DType, type[np.floating[Any]]] = {
    DType.BF16: np.float32,
    DType.F16: np.float32,
    DType.F32: np.float64,
}
Patterns: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]


def rounded(dtype: DType, values: Floats) -> Patterns:
    """Bit patterns of the nearest elements, ties to even."""
    if dtype is DType.F16:
        return values.astype(np.float16).view("<u2")
    if dtype is DType.F32:
        return values.astype(np.float32).view("<u4")
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def widened(dtype: DType, patterns: Patterns) -> Floats:
    """Elements in the working type."""
    if dtype is DType.F16:
        return patterns.view("<f2").astype(np.float32)
    if dtype is DType.F32:
        return patterns.view("<f4").astype(np.float64)
    return (patterns.astype(np.uint32) << 16).view(np.float32)


def reader(dtype: DType, base: Patterns, target: Patterns) -> Read:
    """What a caller with one base gives."""
    values, patterns = widened(dtype, base.reshape(-1)), target.reshape(-1)
    return lambda first, last: (values[first:last], patterns[first:last].view(np.uint8))


def predicted(dtype: DType, base: Patterns, found: Found) -> Patterns:
    """The definition: base plus exact product, rounded."""
    left, right = found.factors.effective()
    exact = np.matmul(left.astype(np.float64), right.astype(np.float64))
    work = WORK[dtype]
    product = exact.astype(work).reshape(base.shape) * work(2.0**found.factors.exponent)
    if found.each:
        product = widened(dtype, rounded(dtype, product)).reshape(base.shape)
    return rounded(dtype, widened(dtype, base) + product)


def check_bounds(factors: Factors) -> None:
    """What the format demands of every stack of factors."""
    shape = (factors.matrices, factors.rank)
    assert factors.left.dtype == factors.right.dtype == np.int32
    assert factors.left.shape == (*shape, factors.rows)
    assert factors.right.shape == (*shape, factors.columns)
    assert 1 <= factors.rank <= min(factors.rows, factors.columns)
    assert -126 <= factors.exponent <= 64
    shifts = (factors.left_shifts, factors.right_shifts)
    assert all(len(one) == math.prod(shape) for one in shifts)
    assert all(0 <= shift <= 31 for one in shifts for shift in one)
    for coded, shift, effective in zip(
        (factors.left, factors.right),
        shifts,
        (factors.effective()[0].transpose(0, 2, 1), factors.effective()[1]),
        strict=True,
    ):
        wide = coded.astype(object) << np.array(shift, object).reshape(*shape, 1)
        assert np.abs(wide).max() < 1 << 31
        assert (wide == effective.astype(object)).all()
    left, right = factors.effective()
    most = np.abs(left.astype(np.int64)).max(axis=1), np.abs(right.astype(np.int64)).max(axis=2)
    sums = (most[0].astype(object) * most[1].astype(object)).sum(axis=1)
    assert sums.max() < 1 << 53


def merged(
    dtype: DType,
    shape: tuple[int, ...],
    rank: int,
    deviation: float,
    *,
    each: bool = False,
    seed: int = 0,
) -> tuple[Patterns, Patterns]:
    """A base and a target into which an adapter was merged, as patterns."""
    random = np.random.default_rng(seed)
    layout = matrices_of(shape)
    assert layout is not None
    matrices, rows, columns = layout
    work = WORK[dtype]
    base = rounded(dtype, random.normal(0, 0.02, (matrices, rows, columns)).astype(work))
    left = random.normal(size=(matrices, rows, rank)).astype(np.float32)
    right = random.normal(size=(matrices, rank, columns)).astype(np.float32)
    product = (left @ right * np.float32(deviation / math.sqrt(rank))).astype(work)
    if each:
        product = widened(dtype, rounded(dtype, product)).reshape(product.shape)
    target = rounded(dtype, widened(dtype, base) + product)
    return base.reshape(shape), target.reshape(shape)


def search(dtype: DType, base: Patterns, target: Patterns, plain_bits: float) -> Found | None:
    return find_factors(dtype, base.shape, reader(dtype, base, target), plain_bits)


def missed(dtype: DType, base: Patterns, target: Patterns, found: Found) -> float:
    """The share of elements that the prediction misses."""
    check_bounds(found.factors)
    return float((predicted(dtype, base, found) != target).mean())


PLAIN = {DType.BF16: 4.0, DType.F16: 7.0, DType.F32: 20.0}  # bits an element, about


@pytest.mark.parametrize("deviation", [1e-3, 2e-4])
@pytest.mark.parametrize("rank", [1, 4, 16])
@pytest.mark.parametrize("dtype", list(PLAIN), ids=str)
def test_a_merged_adapter_is_found(dtype: DType, rank: int, deviation: float) -> None:
    base, target = merged(dtype, (384, 320), rank, deviation)
    found = search(dtype, base, target, PLAIN[dtype])
    assert found is not None
    assert found.factors.rank == rank
    # The sums of binary32's factors must stay exact; where rank is high that costs bits.
    assert found.bits < (0.8 if dtype is DType.F32 else 0.3)
    # The most that is spent on an entry: what tells a deviation from a few hundredths of a unit.
    unit = {DType.BF16: 2.0**-13, DType.F16: 2.0**-16, DType.F32: 2.0**-29}[dtype]
    entry = math.log2(deviation / unit) + 13
    assert found.factor_bits < rank * (384 + 320) * entry
    assert missed(dtype, base, target, found) < (0.2 if dtype is DType.F32 else 0.08)


@pytest.mark.parametrize("dtype", list(PLAIN), ids=str)
def test_a_product_rounded_before_it_was_added_is_found(dtype: DType) -> None:
    base, target = merged(dtype, (320, 384), 4, 5e-3, each=True)
    found = search(dtype, base, target, PLAIN[dtype])
    assert found is not None
    assert found.bits < (1.2 if dtype is DType.F32 else 0.35)
    assert missed(dtype, base, target, found) < (0.3 if dtype is DType.F32 else 0.1)


def test_rounding_before_adding_is_told_where_it_shows() -> None:
    for each in (False, True):
        base, target = merged(DType.BF16, (512, 512), 4, 5e-3, each=each)
        found = search(DType.BF16, base, target, 8.0)
        assert found is not None
        assert found.each is each


def test_stacked_experts_have_factors_of_their_own() -> None:
    base, target = merged(DType.BF16, (3, 256, 192), 4, 1e-3)
    target[1] = base[1]
    found = search(DType.BF16, base, target, 4.0)
    assert found is not None
    assert found.factors.matrices == 3
    assert not found.factors.left[1].any()
    assert missed(DType.BF16, base, target, found) < 0.06


def test_a_convolution_is_a_matrix_of_its_output_channels() -> None:
    base, target = merged(DType.F16, (128, 64, 3, 3), 4, 1e-3)
    found = search(DType.F16, base, target, 7.0)
    assert found is not None
    assert (found.factors.rows, found.factors.columns) == (128, 576)
    assert missed(DType.F16, base, target, found) < 0.06


def test_a_few_wild_rows_and_columns_do_not_hide_an_adapter() -> None:
    base, target = merged(DType.BF16, (384, 384), 4, 1e-3)
    random = np.random.default_rng(1)
    target[::97] = rounded(DType.BF16, random.normal(0, 5, (4, 384)).astype(np.float32))
    base[:, 7] = rounded(DType.BF16, random.normal(0, 50, 384).astype(np.float32))
    target[:, 7] = base[:, 7]
    target[3, 5], base[9, 9] = 0x7FC0, 0xFF80
    found = search(DType.BF16, base, target, 6.0)
    assert found is not None
    assert missed(DType.BF16, base, target, found) < 0.08


def test_an_adapter_of_some_rows_is_found() -> None:
    base, target = merged(DType.BF16, (384, 384), 4, 1e-3)
    target[100:300] = base[100:300]
    found = search(DType.BF16, base, target, 3.0)
    assert found is not None
    assert missed(DType.BF16, base, target, found) < 0.06


def test_the_same_input_gives_the_same_factors() -> None:
    base, target = merged(DType.BF16, (256, 256), 4, 1e-3)
    one, two = (search(DType.BF16, base, target, 6.0) for _ in range(2))
    assert one is not None
    assert two is not None
    assert (one.factors.left == two.factors.left).all()
    assert (one.factors.right == two.factors.right).all()
    assert one.factors.exponent == two.factors.exponent


@pytest.mark.parametrize("dtype", list(PLAIN), ids=str)
def test_an_update_of_full_rank_has_no_factors(dtype: DType) -> None:
    random = np.random.default_rng(0)
    work = WORK[dtype]
    base = rounded(dtype, random.normal(0, 0.02, (256, 320)).astype(work))
    update = random.normal(0, 3e-4, (256, 320)).astype(work)
    assert search(dtype, base, rounded(dtype, widened(dtype, base) + update), 5.0) is None


def test_other_weights_have_no_factors() -> None:
    random = np.random.default_rng(0)
    base, target = (rounded(DType.BF16, random.normal(0, 0.02, (256, 256))) for _ in range(2))
    assert search(DType.BF16, base, target, 10.0) is None


def test_sparse_changes_have_no_factors() -> None:
    random = np.random.default_rng(0)
    base = rounded(DType.BF16, random.normal(0, 0.02, (256, 256)))
    for share in (0.001, 0.01, 0.1):
        target = base + (random.random(base.shape) < share).astype("<u2")
        assert search(DType.BF16, base, target, 10 * share) is None


def test_an_unchanged_tensor_has_no_factors() -> None:
    base, _ = merged(DType.BF16, (256, 256), 1, 1e-3)
    for plain_bits in (0.0, 5.0):
        assert search(DType.BF16, base, base.copy(), plain_bits) is None


@pytest.mark.parametrize(
    "shape", [(), (4096,), (8, 4096), (4096, 8), (0, 64), (2, 8, 8, 8, 8), (0, 64, 64)]
)
def test_shapes_that_are_no_matrices_are_not_read(shape: tuple[int, ...]) -> None:
    def read(first: int, last: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
        raise AssertionError

    assert find_factors(DType.BF16, shape, read, 5.0) is None
    assert find_factors(DType.I8, (256, 256), read, 5.0) is None


@st.composite
def nasty(draw: st.DrawFn) -> tuple[DType, Patterns, Patterns]:
    """Patterns of any kind, or an adapter with any patterns strewn in."""
    dtype = draw(st.sampled_from(list(PLAIN)))
    word = np.dtype("<u4") if dtype is DType.F32 else np.dtype("<u2")
    shape = draw(st.sampled_from([(16, 16), (16, 40), (33, 17), (64, 48), (2, 64, 64), (16, 5, 7)]))
    scale = draw(st.sampled_from([1e-40, 1e-20, 1e-3, 1e4, 1e30]))
    with np.errstate(all="ignore"):
        random = np.random.default_rng(draw(st.integers(0, 3)))
        rows, columns = shape[0], math.prod(shape[1:])
        work = WORK[dtype]
        product = random.normal(size=(rows, 2)) @ random.normal(size=(2, columns))
        base = rounded(dtype, (random.normal(size=(rows, columns)) * scale).astype(work))
        moved = widened(dtype, base) + (product * scale * 0.1).astype(work)
        target = rounded(dtype, moved)
    if draw(st.booleans()):
        for array in (base, target):
            array[random.integers(0, rows, 8), random.integers(0, columns, 8)] = draw(
                hnp.arrays(word, 8)
            )
    if draw(st.booleans()):
        base = draw(hnp.arrays(word, base.shape))
    return dtype, base.reshape(shape), target.reshape(shape)


@settings(max_examples=60)
@given(nasty(), st.sampled_from([0.0, 2.0, 20.0, 1e9]))
def test_no_values_make_it_fail(case: tuple[DType, Patterns, Patterns], plain_bits: float) -> None:
    dtype, base, target = case
    found = search(dtype, base, target, plain_bits)
    if found is not None:
        check_bounds(found.factors)
        assert math.isfinite(found.bits)
        assert math.isfinite(found.factor_bits)


@given(st.sampled_from(list(PLAIN)), st.integers(0, (1 << 32) - 1), st.data())
def test_an_interval_is_what_rounds_to_the_target(
    dtype: DType, pattern: int, data: st.DataObject
) -> None:
    word = np.dtype("<u4") if dtype is DType.F32 else np.dtype("<u2")
    target: Patterns = np.array([pattern & ((1 << 8 * word.itemsize) - 1)], word)
    base = np.zeros(1, WORK[dtype])
    with np.errstate(all="ignore"):
        centre, half = intervals(TYPES[dtype], base, target.view(np.uint8))
        if not np.isfinite(widened(dtype, target))[0]:
            assert np.isinf(half[0])
            assert centre[0] == 0
            return
        inside = data.draw(st.floats(-0.999, 0.999))
        value = centre + half * np.asarray(inside, WORK[dtype])
        outside = centre + half * WORK[dtype](1.001)
    if np.isfinite(half[0]):
        near = np.float64(centre[0]) + inside * np.float64(half[0])
        if near == np.float64(value[0]):
            assert widened(dtype, rounded(dtype, value)) == widened(dtype, target)
        if outside[0] > centre[0] + half[0]:
            assert widened(dtype, rounded(dtype, outside)) != widened(dtype, target)


def test_bits_are_those_of_the_errors() -> None:
    random = np.random.default_rng(0)
    half = np.full(20000, 0.5, np.float32)
    costs = []
    for deviation in (0.01, 0.1, 4.0):
        errors = random.normal(0, deviation, len(half))
        inside = random.uniform(-0.5, 0.5, len(half))
        # The target is the unit-wide cell of truth + position; the prediction errs by `errors`.
        cell = np.floor(inside + errors + 0.5)
        costs.append(best_scale(inside - cell, half)[1])
    assert costs[0] < 0.03
    assert costs[0] < costs[1] < costs[2]
    # Of a normal error of deviation 4: log2(4 sqrt(2 pi e)).
    assert costs[2] == pytest.approx(math.log2(4) + 2.05, abs=0.1)
