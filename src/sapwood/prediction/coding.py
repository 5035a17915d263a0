"""Factors of one matrix, and of a stack of matrices, as integers that pay or do not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.factors import Factors, Integers
from sapwood.prediction.fitting import Fit, improve
from sapwood.prediction.quantising import assembled, best_error, coded, entry_bits, steps
from sapwood.prediction.residual_bits import observed_bits
from sapwood.prediction.searching import MARGIN, Guess, gathered
from sapwood.prediction.windows import Windows

ROUNDING = 0.2  # logistic scale of the errors of both factors' steps, a column


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


def code(whole: Guess, windows: Windows, least: int) -> Coded | None:
    """Quantises factors of all rows: the right one, then the left one fitted to it again.

    Args:
        whole: the factors.
        windows: of their matrix.
        least: the least power of two that products may count.
    """
    fit, scale = Fit(whole.fit.left.copy(), whole.fit.right.copy()), whole.scale
    some = gathered(windows)
    shape = (windows.rows, windows.columns)
    error = best_error(some.distance(fit), some.half, shape, fit.rank)
    if not 0 < error < math.inf:
        return None
    step = steps(fit.left, fit.right, error, least)
    right = coded(fit.right, step.right)
    fit.right = (right * step.right).astype(fit.right.dtype)
    # Rounding adds to the errors: predictions keep that much further from the ends.
    margin = MARGIN * math.hypot(scale, ROUNDING * error * math.sqrt(fit.rank))
    improve(fit, windows.blocks(), [margin] * 2, right=False)
    left = coded(fit.left, step.left)
    fit.left = (left * step.left).astype(fit.left.dtype)
    scale, bits = some.check(fit, scale)
    bits = min(bits, observed_bits(some.distance(fit), some.half, scale))
    used = left.any(axis=0) & right.any(axis=0)
    return Coded(left[:, used], right[:, used], step.exponents[used], bits)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The coded factors of all matrices of a tensor, of one rank; those of some are 0.

    Attributes:
        lefts: (rows, rank) of each matrix.
        rights: (columns, rank) of each matrix.
        exponents: (rank,) of each matrix.
        bits: of residual an element.
        factor_bits: that the integers take.
    """

    lefts: list[Integers]
    rights: list[Integers]
    exponents: list[npt.NDArray[np.int64]]
    bits: float
    factor_bits: float

    @classmethod
    def of(cls, parts: list[Coded | None], rows: int, columns: int, plain_bits: float) -> Stack:
        """One matrix beside the other; `plain_bits` is what one without factors takes."""
        rank = max((part.left.shape[1] for part in parts if part is not None), default=0)
        stack = cls([], [], [], 0.0, 0.0)
        bits = 0.0
        for part in parts:
            left, right = np.zeros((rows, rank), np.int32), np.zeros((columns, rank), np.int32)
            exponent = np.zeros(rank, np.int64)
            if part is not None:
                used = part.left.shape[1]
                left[:, :used], right[:, :used] = part.left, part.right
                exponent[:used] = part.exponents
            stack.lefts.append(left)
            stack.rights.append(right)
            stack.exponents.append(exponent)
            bits += plain_bits if part is None else part.bits
        factor_bits = sum(entry_bits(side) for side in (*stack.lefts, *stack.rights))
        return dataclasses.replace(stack, bits=bits / len(parts), factor_bits=factor_bits)

    @property
    def rank(self) -> int:
        """Of all matrices."""
        return int(self.lefts[0].shape[1])

    def factors(self) -> Factors | None:
        """In the format's form; None where its bounds do not hold."""
        return assembled(self.lefts, self.rights, self.exponents)
