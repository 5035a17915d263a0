"""Turns factors into integers, as coarse as pays."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.factors import (
    GREATEST_EXPONENT,
    GREATEST_SHIFT,
    GREATEST_SUM,
    LEAST_EXPONENT,
    Factors,
    Integers,
)
from sapwood.prediction.intervals import Floats, Halves
from sapwood.prediction.residual_bits import best_scale

GAUSSIAN_BITS = 0.5 * math.log2(2 * math.pi * math.e)  # of a normal integer of deviation 1
GREATEST_CODED = 1 << 29


@dataclasses.dataclass(frozen=True, slots=True)
class StepSizes:
    """How finely the columns of one matrix's factors are held.

    Attributes:
        left: (rank,) steps of the left factor's columns.
        right: (rank,) steps of the right factor's columns.
        exponents: (rank,) powers of two that the products of both steps are.
    """

    left: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    exponents: npt.NDArray[np.int64]


def _sizes(factor: Floats) -> npt.NDArray[np.float64]:
    """(rank,) root mean squares of columns."""
    square: npt.NDArray[np.float64] = np.square(factor, dtype=np.float64).mean(axis=0)
    return np.sqrt(square)


def least_exponent(left: Floats, right: Floats) -> int:
    """The power of two that products of these factors must be multiples of, to be exact.

    What fitting again and rounding add may make it one more.
    """
    most = np.abs(left).max(axis=0).astype(np.float64) @ np.abs(right).max(axis=0)
    if not 0 < most < math.inf:
        return LEAST_EXPONENT
    return math.ceil(math.log2(most)) - (GREATEST_SUM.bit_length() - 1)


def steps(left: Floats, right: Floats, error: float, least: int) -> StepSizes:
    """Steps that put an error of about `error` into an update by each factor's column.

    Every column adds the same error, the factor with more entries a greater one. A step is
    moved by up to a quarter of an octave, so that products of steps are powers of two, and
    further where a product would be less than 2**least.

    Args:
        left: (rows, rank) numbers.
        right: (columns, rank) numbers.
        error: root mean square that each column may add, about.
        least: the least power of two that products of steps may be.
    """
    of_left, of_right = _sizes(left), _sizes(right)
    total = len(left) + len(right)
    left_step = error * math.sqrt(2 * len(left) / total) / np.maximum(of_right, 1e-300)
    right_step = error * math.sqrt(2 * len(right) / total) / np.maximum(of_left, 1e-300)
    product = np.log2(left_step) + np.log2(right_step)
    exponents = np.clip(np.round(product), max(least, LEAST_EXPONENT), GREATEST_EXPONENT).astype(
        np.int64
    )
    moved = np.exp2((exponents - product) / 2)
    return StepSizes(left_step * moved, right_step * moved, exponents)


def coded(factor: Floats, step: npt.NDArray[np.float64]) -> Integers:
    """(entries, rank) integers nearest to a factor over its steps."""
    exact = np.rint(factor / step)
    return np.clip(exact, -GREATEST_CODED, GREATEST_CODED).astype(np.int32)


def entry_bits(factor: Integers) -> float:
    """Bits that the (entries, rank) integers of a factor take, all together."""
    values = factor.astype(np.float64)
    count = len(values)
    still = np.count_nonzero(values == 0, axis=0) / count
    moving = np.maximum(count * (1 - still), 1.0)
    power = np.square(values).sum(axis=0)
    dense = count * (GAUSSIAN_BITS + 0.5 * np.log2(power / count + 1 / 12))
    sparse = moving * (GAUSSIAN_BITS + 0.5 * np.log2(power / moving + 1 / 12))
    inner = np.clip(still, 1e-12, 1 - 1e-12)
    sparse -= count * (inner * np.log2(inner) + (1 - inner) * np.log2(1 - inner))
    return float(np.where(power > 0, np.clip(np.minimum(dense, sparse), 0, None) + 16, 1).sum())


def best_error(distance: Floats, half: Halves, shape: tuple[int, int], rank: int) -> float:
    """The error of an update by each column (see `steps`) that is worth its bits.

    Args:
        distance: (n,) predicted updates of some elements less the centres of their intervals.
        half: (n,) half the widths of these.
        shape: rows and columns of the matrix.
        rank: rank of its factors.
    """
    scale, _ = best_scale(distance, half)
    noise = np.random.default_rng(0).standard_normal(len(distance))
    entries = rank * (shape[0] + shape[1]) / (shape[0] * shape[1])
    best, least = 0.0, math.inf
    error = 4 * scale / math.sqrt(rank)
    for _ in range(24):
        blurred = distance + noise * (error * math.sqrt(rank / 6))
        bits = best_scale(blurred, half, scale)[1] - entries * math.log2(error)
        if not bits < least:
            break
        best, least = error, bits
        error /= math.sqrt(2)
    return best


def assembled(left: Integers, right: Integers, exponents: npt.NDArray[np.int64]) -> Factors | None:
    """Factors with one exponent for all columns of all matrices.

    Args:
        left: (matrices, rank, rows) integers.
        right: (matrices, rank, columns) integers.
        exponents: (matrices, rank) powers of two that products count.

    Returns:
        None where the bounds of the format do not hold.
    """
    most_left = np.abs(left.astype(np.int64)).max(axis=2)
    most_right = np.abs(right.astype(np.int64)).max(axis=2)
    used = (most_left > 0) & (most_right > 0)
    if not used.any():
        return None
    exponent = int(exponents[used].min())
    shift = np.where(used, exponents - exponent, 0)
    # The smaller of both factors is shifted further.
    left_shift = np.clip((shift + _log2(most_right) - _log2(most_left)) // 2, 0, shift)
    left_shift = np.minimum(left_shift, GREATEST_SHIFT)
    right_shift = shift - left_shift
    if right_shift.max(initial=0) > GREATEST_SHIFT:
        return None
    factors = Factors(
        left,
        right,
        tuple(left_shift.ravel().tolist()),
        tuple(right_shift.ravel().tolist()),
        exponent,
    )
    return factors if factors.within_bounds() else None


def _log2(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
