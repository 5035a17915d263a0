"""Finds the low-rank update in a pair of tensors.

A merged adapter is its base plus a product of two thin matrices, rounded. From base and
target alone those matrices are recovered (`searching`), as coarse integers as pay
(`quantising`). Tensors that hold none are dismissed early (`detection`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.detection import Promise, promise
from sapwood.prediction.factors import Factors, Integers
from sapwood.prediction.fitting import improve
from sapwood.prediction.intervals import TYPES, Read
from sapwood.prediction.quantising import (
    assembled,
    best_error,
    coded,
    entry_bits,
    steps,
)
from sapwood.prediction.residual_bits import observed_bits
from sapwood.prediction.searching import MARGIN, Guess, HeldOut, complete, gathered, guess, sample
from sapwood.prediction.windows import Windows
from sapwood.tensors import DType

LEAST_SIDE = 16
LEAST_EXPERT_SIDE = 64
MOST_RANK = 256
MARGIN_SHARE = 0.98  # of the plain bits, what factors and residual may take
MARGIN_BITS = 256 * 8
ROUNDING = 0.2  # logistic scale of the errors of both factors' steps, a column
LEAST_COLUMN_BITS = 3.0  # an entry, of the cheapest column that could pay
# Of the plain bits, what a few rows must promise. A full fine-tune's strongest directions
# promise less, and searching for them would take longer than making its patch.
WORTH_SEARCHING = 0.3
WORTH_A_LOOK = 0.2  # the same, of fewer rows


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Factors that pay.

    Attributes:
        factors: of all matrices of the tensor.
        each: whether the product is rounded to the element type before it is added.
        bits: of residual that are expected an element.
        factor_bits: that the factors are expected to take, all together.
    """

    factors: Factors
    each: bool
    bits: float
    factor_bits: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One matrix's factors in integers.

    Attributes:
        left: (rows, rank).
        right: (columns, rank).
        exponents: (rank,) powers of two that products count.
        bits: of residual an element.
    """

    left: Integers
    right: Integers
    exponents: npt.NDArray[np.int64]
    bits: float


def find_factors(
    dtype: DType, shape: tuple[int, ...], read: Read, plain_bits: float
) -> Found | None:
    """Looks for a low-rank update.

    Args:
        dtype: of the elements; others than bf16, f16 and f32 have no factors.
        shape: of the tensor. Experts (E, m, n) are E matrices; convolutions (O, I, ...) are
            one of O rows, as adapters see them.
        read: gives for elements [first, last) in C order the unrounded sums of the base
            terms, float32 or for f32 float64, and the target's bytes, little-endian. Called
            from this thread alone; what it gives is not kept longer than the search.
        plain_bits: what the tensor takes an element without factors.

    Returns:
        None where factors do not pay. The same input gives the same result, on one machine
        and one build of NumPy.
    """
    layout = matrices_of(shape)
    if dtype not in TYPES or layout is None:
        return None
    matrices, rows, columns = layout
    elements = rows * columns
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
    expected = promising(windows, plain_bits)
    if expected is None:
        return None
    rows, columns = windows[0].rows, windows[0].columns
    most = min(MOST_RANK, min(rows, columns) // 4)
    rank = min(most, 2 * expected.rank + 4)
    each: bool | None = None
    parts: list[Coded | None] = []
    for plain in windows:
        one, start = plain, _guess(plain, rank)
        if start is not None and each is None:
            each = rounds_each(start, one)
        if each:
            one = plain.rounding_each()
            start = _guess(one, rank)
        parts.append(None if start is None else code(start, one))
    return _judged(parts, windows, bool(each), plain_bits)


def promising(windows: list[Windows], plain_bits: float) -> Promise | None:
    """What a few rows of one matrix promise, and more rows of it after them."""
    one = windows[len(windows) // 2]
    most = min(MOST_RANK, min(one.rows, one.columns) // 4)
    side = math.isqrt(one.rows * one.columns)
    few = min(160, max(24, side // 16))
    shape = (one.rows, one.columns)
    found = promise(*one.spread(few, 4), shape, plain_bits, most)
    if not found.saved > WORTH_A_LOOK * plain_bits:
        return None
    more = min(max(4 * few, 4 * found.rank), 320, one.rows)
    if more > few:
        found = promise(*one.spread(more), shape, plain_bits, most)
    if not found.saved > WORTH_SEARCHING * plain_bits:
        return None
    return found


def _guess(windows: Windows, rank: int) -> Guess | None:
    return guess(*sample(windows, rank), (windows.rows, windows.columns), rank)


def rounds_each(start: Guess, windows: Windows) -> bool:
    """Whether the update seems to have been rounded before it was added."""
    centre, half = sample(windows.rounding_each(), start.fit.rank)
    held = HeldOut.of(centre, half)
    return held.check(start.fit, start.scale)[1] < 0.95 * start.bits


def code(start: Guess, windows: Windows) -> Coded | None:
    """Fits all rows and quantises: the right factor, then the left one for that."""
    some = gathered(windows)
    whole = complete(start, windows, some)
    fit, scale = whole.fit, whole.scale
    shape = (windows.rows, windows.columns)
    error = best_error(some.distance(fit), some.half, shape, fit.rank)
    if not error > 0:
        return None
    step = steps(fit.left, fit.right, error)
    right = coded(fit.right, step.right)
    fit.right = (right * step.right).astype(fit.right.dtype)
    # Rounding adds to the errors: predictions keep that much further from the ends.
    margin = MARGIN * math.hypot(scale, ROUNDING * error * math.sqrt(fit.rank))
    improve(fit, windows.blocks(), [margin] * 2, right=False)
    left = coded(fit.left, step.left)
    fit.left = (left * step.left).astype(fit.left.dtype)
    scale, bits = some.check(fit, scale)
    bits = min(bits, observed_bits(some.distance(fit), some.half, scale))
    return Coded(left, right, step.exponents, bits)


def _judged(
    parts: list[Coded | None], windows: list[Windows], each: bool, plain_bits: float
) -> Found | None:
    """All matrices' factors, if they pay; those of a matrix without are 0."""
    rank = max((part.left.shape[1] for part in parts if part is not None), default=0)
    if rank == 0:
        return None
    rows, columns = windows[0].rows, windows[0].columns
    lefts, rights, exponents = [], [], []
    bits = 0.0
    for part in parts:
        left, right = np.zeros((rows, rank), np.int32), np.zeros((columns, rank), np.int32)
        exponent = np.zeros(rank, np.int64)
        if part is not None:
            used = part.left.shape[1]
            left[:, :used], right[:, :used] = part.left, part.right
            exponent[:used] = part.exponents
        bits += (plain_bits if part is None else part.bits) / len(parts)
        lefts.append(left)
        rights.append(right)
        exponents.append(exponent)
    factor_bits = sum(entry_bits(side) for side in (*lefts, *rights))
    elements = rows * columns * len(parts)
    if elements * (bits - MARGIN_SHARE * plain_bits) + factor_bits + MARGIN_BITS >= 0:
        return None
    factors = assembled(lefts, rights, exponents)
    return None if factors is None else Found(factors, each, bits, factor_bits)
