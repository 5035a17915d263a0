"""Factors: a low-rank matrix, or a stack of them, in integers.

What is here is the definition that encoder and decoder share; how factors are
found is elsewhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int32]

GREATEST_SHIFT = 31  # bits
GREATEST_SUM = 1 << 53  # of a product's absolute terms; below it binary64 is exact
GREATEST_EFFECTIVE = 1 << 31
LEAST_EXPONENT = -126
GREATEST_EXPONENT = 64


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """The factors of `matrices` matrices of one shape and rank.

    The product of a matrix is sum_k left[k][i] * right[k][j] over effective integers, which
    are the coded ones shifted left, times 2**exponent.

    Attributes:
        left: (matrices, rank, rows) coded integers.
        right: (matrices, rank, columns) coded integers.
        left_shifts: matrices * rank shifts, 0 to 31, those of one matrix together.
        right_shifts: the same for `right`.
        exponent: -126 to 64.
    """

    left: Integers
    right: Integers
    left_shifts: tuple[int, ...]
    right_shifts: tuple[int, ...]
    exponent: int

    @property
    def matrices(self) -> int:
        """How many matrices are stacked."""
        return int(self.left.shape[0])

    @property
    def rank(self) -> int:
        """Columns of each factor, the same for all matrices."""
        return int(self.left.shape[1])

    @property
    def rows(self) -> int:
        """Of each matrix."""
        return int(self.left.shape[2])

    @property
    def columns(self) -> int:
        """Of each matrix."""
        return int(self.right.shape[2])

    def effective(self) -> tuple[Integers, Integers]:
        """Left (matrices, rows, rank) and right (matrices, rank, columns), shifted, C-contiguous.

        The bounds of the format hold, or the integers wrap.
        """
        left = np.left_shift(self.left, self._shifts(self.left_shifts))
        right = np.left_shift(self.right, self._shifts(self.right_shifts))
        return (
            np.ascontiguousarray(left.transpose(0, 2, 1), dtype=np.int32),
            np.ascontiguousarray(right, dtype=np.int32),
        )

    def _shifts(self, shifts: tuple[int, ...]) -> Integers:
        return np.array(shifts, dtype=np.int32).reshape(self.matrices, self.rank, 1)
