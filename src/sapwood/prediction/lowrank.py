"""Finds the low-rank update in a pair of tensors.

A merged adapter is its base plus a product of two thin matrices, rounded. From base and
target alone those matrices are recovered (`searching`), as coarse integers as pay
(`coding`, `quantising`). Tensors that hold none are dismissed early (`detection`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from sapwood.prediction.coding import Stack, code
from sapwood.prediction.detection import Promise, promise
from sapwood.prediction.factors import Factors
from sapwood.prediction.intervals import TYPES, Read
from sapwood.prediction.quantising import least_exponent
from sapwood.prediction.searching import (
    FactorGuess,
    HeldOut,
    complete,
    gathered,
    guess,
    reach,
    sample,
)
from sapwood.prediction.windows import Windows
from sapwood.tensors import DType

LEAST_SIDE = 16
LEAST_EXPERT_SIDE = 64
MOST_RANK = 256
MOST_NUMBERS = 1 << 24  # of a tensor's factors; readers take no more by default
MOST_COLUMNS = 1 << 16  # more leave too few rows to look at
MARGIN_SHARE = 0.98  # of the plain bits, the most that factors and residual may take
MARGIN_BITS = 256 * 8
MOST_SPARE = 3  # times that all is coded again, more coarsely, until sums are exact
LEAST_COLUMN_BITS = 3.0  # an entry, of the cheapest column that could pay
# Of the plain bits, what a few rows must promise. A full fine-tune's strongest directions
# promise less, and searching for them would take longer than making its patch.
WORTH_SEARCHING = 0.3
WORTH_A_LOOK = 0.2  # the same, of fewer rows


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Factors that pay.

    Attributes:
        factors: the factors of all matrices of the tensor.
        each: whether the product is rounded to the element type before it is added.
        bits: bits of residual that an element is expected to take.
        factor_bits: bits that the factors are expected to take, all together.
    """

    factors: Factors
    each: bool
    bits: float
    factor_bits: float


def find_factors(
    dtype: DType, shape: tuple[int, ...], read: Read, plain_bits: float
) -> Found | None:
    """Looks for a low-rank update.

    Args:
        dtype: type of the elements; others than bf16, f16 and f32 have no factors.
        shape: shape of the tensor. Experts (E, m, n) are E matrices; convolutions (O, I, ...)
            are one of O rows, as adapters see them.
        read: gives for elements [first, last) in C order the unrounded sums of the base
            terms, float32 or for f32 float64, and the target's bytes, little-endian. Called
            from this thread alone; what it gives is not kept longer than the search.
        plain_bits: bits that an element takes without factors.

    Returns:
        None where factors do not pay. The same input gives the same result, on one machine
        and one build of NumPy.
    """
    layout = matrices_of(shape)
    if dtype not in TYPES or layout is None:
        return None
    matrices, rows, columns = layout
    elements = rows * columns
    if columns > MOST_COLUMNS or matrices * (rows + columns) > MOST_NUMBERS:
        return None
    if elements * plain_bits * MARGIN_SHARE < (rows + columns) * LEAST_COLUMN_BITS + MARGIN_BITS:
        return None
    kind = TYPES[dtype]
    windows = [Windows(kind, read, i * elements, rows, columns) for i in range(matrices)]
    try:
        with np.errstate(all="ignore"):
            return _search(windows, plain_bits)
    except np.linalg.LinAlgError:
        return None


def matrices_of(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(matrices, rows, columns) as which a tensor is taken, or None for one that is not."""
    if len(shape) == 3 and min(shape[1:]) >= LEAST_EXPERT_SIDE:
        matrices, rows, columns = shape
    elif 2 <= len(shape) <= 4:
        matrices, rows, columns = 1, shape[0], math.prod(shape[1:])
    else:
        return None
    if matrices == 0 or min(rows, columns) < LEAST_SIDE:
        return None
    return matrices, rows, columns


def _search(windows: list[Windows], plain_bits: float) -> Found | None:
    expected = _promising(windows, plain_bits)
    if expected is None:
        return None
    rows, columns = windows[0].rows, windows[0].columns
    affordable = MOST_NUMBERS // (len(windows) * (rows + columns))
    most = min(MOST_RANK, min(rows, columns) // 4, affordable)
    rank = min(most, 2 * expected.rank + 4)
    each: bool | None = None
    fits: list[FactorGuess | None] = []
    views: list[Windows] = []
    for plain in windows:
        one = dataclasses.replace(plain, reach=reach(plain))
        start = _guess(one, rank)
        if start is not None and each is None:
            each = _rounds_each(start, one)
        if each:
            one = dataclasses.replace(one, each=True)
            start = _guess(one, rank)
        fits.append(None if start is None else complete(start, one, gathered(one)))
        views.append(one)
        if len(windows) > 1:
            one.release()
    return _coded(fits, views, bool(each), plain_bits)


def _coded(
    fits: list[FactorGuess | None], windows: list[Windows], each: bool, plain_bits: float
) -> Found | None:
    rows, columns = windows[0].rows, windows[0].columns
    # All matrices have one exponent: one that needs a coarse one makes the others' so.
    least = max((least_exponent(it.fit.left, it.fit.right) for it in fits if it), default=0)
    for spare in range(MOST_SPARE):
        parts = []
        for one, found in zip(windows, fits, strict=True):
            parts.append(None if found is None else code(found, one, least + spare))
            if len(windows) > 1:
                one.release()
        stack = Stack.of(parts, rows, columns, plain_bits)
        elements = rows * columns * len(parts)
        most = elements * MARGIN_SHARE * plain_bits - MARGIN_BITS
        factor_bits = stack.factor_bits
        if stack.exponents.size == 0 or not elements * stack.bits + factor_bits < most:
            return None
        factors = stack.factors()
        if factors is not None:
            return Found(factors, each, stack.bits, factor_bits)
    return None


def _promising(windows: list[Windows], plain_bits: float) -> Promise | None:
    """The first promise among the middle, the first and the last matrix."""
    last = len(windows) - 1
    for place in dict.fromkeys([last // 2, 0, last]):
        found = _promise(windows[place], plain_bits)
        if found is not None:
            return found
    return None


def _promise(windows: Windows, plain_bits: float) -> Promise | None:
    """What a few rows promise, and more rows after them."""
    shape = (windows.rows, windows.columns)
    most = min(MOST_RANK, min(shape) // 4)
    few = min(160, max(24, math.isqrt(shape[0] * shape[1]) // 16))
    found = promise(*windows.glance(few), shape, plain_bits, most)
    if not found.saved > WORTH_A_LOOK * plain_bits:
        return None
    more = min(max(4 * few, 4 * found.rank), 320, windows.rows)
    if more > few:
        found = promise(*windows.spread(more), shape, plain_bits, most)
    return found if found.saved > WORTH_SEARCHING * plain_bits else None


def _guess(windows: Windows, rank: int) -> FactorGuess | None:
    return guess(*sample(windows, rank), (windows.rows, windows.columns), rank)


def _rounds_each(start: FactorGuess, windows: Windows) -> bool:
    """Whether the update seems to have been rounded before it was added."""
    centre, half = sample(dataclasses.replace(windows, each=True), start.fit.rank)
    held = HeldOut.of(centre, half)
    return held.judged(start.fit, start.scale).bits < 0.95 * start.bits
