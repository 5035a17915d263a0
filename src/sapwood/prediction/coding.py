"""Codes factors of one matrix, and of a stack of matrices, as integers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from sapwood.prediction.factors import Factors, Integers
from sapwood.prediction.fitting import Blocks, Fit, improve
from sapwood.prediction.quantising import assembled, best_error, coded, entry_bits, steps
from sapwood.prediction.residual_bits import observed_bits
from sapwood.prediction.searching import MARGIN, FactorGuess, HeldOut, gathered
from sapwood.prediction.windows import Rows, Windows, cut

TRIED = 1 << 18  # elements on which errors are tried
MULTIPLES = (0.7, 1.4, 2.8, 5.6)
ROUNDING = 0.2  # logistic scale of the errors of both factors' steps, a column


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CodedFactors:
    """One matrix's factors in integers.

    Attributes:
        left: (rows, rank) integers.
        right: (columns, rank) integers.
        exponents: (rank,) powers of two that products count.
        bits: bits of residual that an element takes.
    """

    left: Integers
    right: Integers
    exponents: npt.NDArray[np.int64]
    bits: float


def code(whole: FactorGuess, windows: Windows, least: int) -> CodedFactors | None:
    """Quantises factors of all rows: the right one, then the left one fitted to it again.

    Args:
        whole: the factors.
        windows: the intervals of their matrix.
        least: the least power of two that products may count.

    Returns:
        None where no error is worth its bits.
    """
    some = gathered(windows)
    shape = (windows.rows, windows.columns)
    error = best_error(some.distance(whole.fit), some.half, shape, whole.fit.rank)
    if not 0 < error < math.inf:
        return None
    error = _tried(error, whole, windows, least)
    rounded = _quantised(whole, error, windows.blocks(), least)
    fit = rounded.fit
    bits = _bits(some, fit, whole.scale)
    used = rounded.left.any(axis=0) & rounded.right.any(axis=0)
    return CodedFactors(
        rounded.left[:, used], rounded.right[:, used], rounded.exponents[used], bits
    )


def _bits(some: HeldOut, fit: Fit, near: float) -> float:
    """Bits of residual that an element takes, with `near` a scale of errors to look around."""
    found = some.judged(fit, near)
    return min(found.bits, observed_bits(some.distance(fit), some.half, found.scale))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """Factors of one matrix, or of some of its rows, as integers and as what these mean."""

    fit: Fit
    left: Integers
    right: Integers
    exponents: npt.NDArray[np.int64]


def _quantised(
    whole: FactorGuess, error: float, blocks: Blocks, least: int, rows: Rows | None = None
) -> Quantised:
    """Rounds the right factor, fits the left one to it again, and rounds that.

    Args:
        whole: the factors.
        error: the error of an update by each column, as `quantising.steps` takes it.
        blocks: the intervals of the rows.
        least: the least power of two that products may count.
        rows: numbers of the rows in the matrix; None for all.
    """
    fit = whole.fit
    step = steps(fit.left, fit.right, error, least)
    right = coded(fit.right, step.right)
    rounded = Fit(
        fit.left.copy() if rows is None else fit.left[rows],
        (right * step.right).astype(fit.right.dtype),
    )
    # Rounding adds to the errors: predictions keep that much further from the ends.
    margin = MARGIN * math.hypot(whole.scale, ROUNDING * error * math.sqrt(fit.rank))
    improve(rounded, blocks, [margin] * 2, right=False)
    left = coded(rounded.left, step.left)
    rounded.left = (left * step.left).astype(fit.left.dtype)
    return Quantised(rounded, left, right, step.exponents)


def _tried(error: float, whole: FactorGuess, windows: Windows, least: int) -> float:
    """The best of some multiples of an error, tried on some rows.

    Where every interval can be met, fitting again takes up much of what rounding adds;
    where updates have noise of their own, it does not.
    """
    rows = windows.places(TRIED // windows.columns)
    centre, half = windows.at(rows)
    some = HeldOut.of(centre, half)
    entries = whole.fit.rank * (windows.rows + windows.columns) / (windows.rows * windows.columns)
    best, fewest = error, math.inf
    for multiple in MULTIPLES:
        rounded = _quantised(whole, error * multiple, cut(centre, half), least, rows)
        bits = _bits(some, rounded.fit, whole.scale) - entries * math.log2(multiple)
        if bits < fewest:
            best, fewest = error * multiple, bits
    return best


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The coded factors of all matrices of a tensor, of one rank; those of some are 0.

    Attributes:
        left: (matrices, rank, rows) integers.
        right: (matrices, rank, columns) integers.
        exponents: (matrices, rank) powers of two that products count.
        bits: bits of residual that an element takes.
    """

    left: Integers
    right: Integers
    exponents: npt.NDArray[np.int64]
    bits: float

    @classmethod
    def of(
        cls, parts: list[CodedFactors | None], rows: int, columns: int, plain_bits: float
    ) -> Stack:
        """One matrix beside the other; `plain_bits` is what one without factors takes."""
        rank = max((len(part.exponents) for part in parts if part is not None), default=0)
        left = np.zeros((len(parts), rank, rows), np.int32)
        right = np.zeros((len(parts), rank, columns), np.int32)
        exponents = np.zeros((len(parts), rank), np.int64)
        bits = 0.0
        for i, part in enumerate(parts):
            bits += plain_bits if part is None else part.bits
            if part is not None:
                used = len(part.exponents)
                left[i, :used], right[i, :used] = part.left.T, part.right.T
                exponents[i, :used] = part.exponents
        return cls(left, right, exponents, bits / len(parts))

    @property
    def factor_bits(self) -> float:
        """Bits that the integers take."""
        return sum(entry_bits(side.T) for side in (*self.left, *self.right))

    def factors(self) -> Factors | None:
        """The format's form of them; None where its bounds do not hold."""
        return assembled(self.left, self.right, self.exponents)
