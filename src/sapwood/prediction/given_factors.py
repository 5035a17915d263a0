"""The factors of an adapter that the receiver has, as the integers that blends are computed with.

`spec/patch-v1.md`, Given factors. The numbers of an adapter are floats, whose sums depend on
their order; rounded to integers, with as many bits as sums of them may have, they give the
same product everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sapwood.prediction.factors import GREATEST_EXPONENT, LEAST_EXPONENT, Factors, Integers

SUM_BITS = 53  # below 2^53 binary64 adds integers exactly

Doubles = npt.NDArray[np.float64]


def integer_factors(left: Doubles, right: Doubles, coefficient: float) -> Factors:
    """Factors whose product is nearly `coefficient` times left times right, or zeros.

    Args:
        left: (rows, rank) numbers of binary32.
        right: (rank, columns) numbers of binary32.
        coefficient: a finite number.
    """
    rank = len(right)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = left * coefficient
        sides = np.abs(scaled).max(axis=0), np.abs(right).max(axis=1)
    finite = bool(np.isfinite(sides).all())
    used = (sides[0] > 0) & (sides[1] > 0)
    # The least powers of two above the magnitudes; of no matter where one side is zero.
    of_left, of_right = (np.frexp(np.where(used, one, 1))[1].astype(np.int64) for one in sides)
    power = SUM_BITS - rank.bit_length() - int((of_left + of_right)[used].max(initial=-1100))
    power = min(power, -LEAST_EXPONENT)
    if not finite or not used.any() or -power > GREATEST_EXPONENT:
        used[:], power = False, 0
        scaled, right = np.zeros_like(scaled), np.zeros_like(right)
    bits = of_left + of_right + power
    return Factors(
        _integers(scaled.T, -(-bits // 2) - of_left, used),
        _integers(right, bits // 2 - of_right, used),
        (0,) * rank,
        (0,) * rank,
        -power,
    )


def _integers(
    numbers: Doubles, powers: npt.NDArray[np.int64], used: npt.NDArray[np.bool_]
) -> Integers:
    """(1, rank, side) integers of (rank, side) numbers times powers of two, or zeros."""
    whole = np.ldexp(numbers, powers[:, None])
    np.rint(whole, out=whole)
    whole *= used[:, None]
    return np.ascontiguousarray(whole[None], np.int32)
