"""The integers of a low-rank update: left times right, times a power of two."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int32]

GREATEST_RANK = 1024  # the time of a decoder grows with it
GREATEST_SHIFT = 31  # bits
LEAST_EXPONENT = -126  # down to here, and up to there, scaled sums are normal numbers
GREATEST_EXPONENT = 64
GREATEST_EFFECTIVE = 1 << 31
GREATEST_SUM = 1 << 53  # below it binary64 adds integers exactly, in any order


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Factors of the low-rank part of a tensor, one pair for each of its matrices.

    The update of element (i, j) of matrix n is the sum over k of

        left[n, k, i] * 2^left_shifts[n, k] * right[n, k, j] * 2^right_shifts[n, k]

    times 2^exponent. Shifts let each column have a precision of its own.

    Attributes:
        left: (matrices, rank, rows) integers.
        right: (matrices, rank, columns) integers.
        left_shifts, right_shifts: bits that each column is shifted by, `matrices * rank` of
            each factor, 0 to 31.
        exponent: the power of two that products count, -126 to 64.
    """

    left: Integers
    right: Integers
    left_shifts: tuple[int, ...]
    right_shifts: tuple[int, ...]
    exponent: int

    @property
    def matrices(self) -> int:
        """Matrices in the tensor."""
        return int(self.left.shape[0])

    @property
    def rank(self) -> int:
        """Columns of each left factor."""
        return int(self.left.shape[1])

    @property
    def rows(self) -> int:
        """Rows of each matrix."""
        return int(self.left.shape[2])

    @property
    def columns(self) -> int:
        """Columns of each matrix."""
        return int(self.right.shape[2])

    def within_bounds(self) -> bool:
        """Whether shifted integers fit 32 bits, and no sum of products reaches 2^53."""
        left, right = (
            np.abs(one.astype(np.int64)).max(axis=2, initial=0) << self._shifts(shifts)
            for one, shifts in ((self.left, self.left_shifts), (self.right, self.right_shifts))
        )
        if max(left.max(initial=0), right.max(initial=0)) >= GREATEST_EFFECTIVE:
            return False
        # Exact: Python's integers do not overflow.
        sums = (left.astype(object) * right.astype(object)).sum(axis=1)
        return all(one < GREATEST_SUM for one in sums)

    def effective(self) -> tuple[Integers, Integers]:
        """(matrices, rows, rank) and (matrices, rank, columns) shifted integers, contiguous."""
        left = self.left << self._shifts(self.left_shifts)[..., None].astype(np.int32)
        right = self.right << self._shifts(self.right_shifts)[..., None].astype(np.int32)
        return np.ascontiguousarray(left.transpose(0, 2, 1)), np.ascontiguousarray(right)

    def _shifts(self, shifts: tuple[int, ...]) -> npt.NDArray[np.int64]:
        return np.array(shifts, np.int64).reshape(self.matrices, self.rank)
