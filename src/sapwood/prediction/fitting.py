"""Fits factors to intervals, by Newton's method on one factor after the other.

The loss of an element is the squared distance of its predicted update from its
interval, after the interval has been narrowed at both ends by a margin about as
wide as the predictions are still wrong. (Without a margin the fit creeps along
the ends of intervals; with one, an element counts only where it says something:
intervals narrower than the error always, others where their ends are near.) The
loss is quadratic in a row of one factor, with the other fixed, so each row takes one
linear system.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.prediction.intervals import Floats, Halves

Blocks: TypeAlias = Iterable[tuple[int, Floats, Halves]]  # first row, centres, half widths

# Columns that are fitted together. A Hessian takes their number squared, halved, products an
# element; of more columns, which are orthogonal or nearly so, one group is fitted after another.
TOGETHER = 16
RIDGE = 1e-3  # of a Hessian's diagonal
DAMPING = 0.7  # of steps that several groups take at once


class Equations:
    """Normal equations of the rows of one factor, summed up block by block."""

    def __init__(self, rows: int, rank: int, work: np.dtype[Any]) -> None:
        """Those of a factor of (rows, rank) numbers of the working type, before any element."""
        self.gradient = np.zeros((rows, rank), work)
        self.hessian = np.zeros((rows, rank * (rank + 1) // 2), np.float32)

    def add(
        self,
        force: Floats,
        active: npt.NDArray[np.float32],
        other: Floats,
        other_squares: npt.NDArray[np.float32],
    ) -> None:
        """Adds elements.

        Args:
            force: (rows, n) forces of the elements.
            active: (rows, n) ones where an element is outside of its interval, else zeros.
            other: (n, rank) rows of the other factor.
            other_squares: (n, rank (rank + 1) / 2) products of their entries with each other.
        """
        self.gradient += force @ other
        self.hessian += active @ other_squares

    def step(self) -> Floats:
        """(rows, rank) what Newton's method adds to the factor."""
        rank = self.gradient.shape[1]
        systems = self.hessian[:, _square_of(rank)].astype(np.float64)
        diagonal = np.diagonal(systems, axis1=1, axis2=2)
        # A row with few active elements leans on what is usual in its column.
        ridge = RIDGE * (diagonal + diagonal.mean(axis=0)) + np.finfo(np.float64).tiny
        index = np.arange(rank)
        systems[:, index, index] += ridge
        gradient = self.gradient.astype(np.float64)
        return np.linalg.solve(systems, gradient[..., None])[..., 0].astype(self.gradient.dtype)


@functools.lru_cache(maxsize=64)
def _pairs(rank: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(rank)


@functools.lru_cache(maxsize=64)
def _square_of(rank: int) -> npt.NDArray[np.intp]:
    """(rank, rank) where each entry of a symmetric matrix is among its upper triangle."""
    where = np.zeros((rank, rank), np.intp)
    first, second = _pairs(rank)
    where[first, second] = where[second, first] = np.arange(len(first))
    return where


def _squares(factor: Floats) -> npt.NDArray[np.float32]:
    """(n, rank (rank + 1) / 2) products of each row's entries with each other."""
    first, second = _pairs(factor.shape[1])
    narrow = factor.astype(np.float32, copy=False)
    return narrow[:, first] * narrow[:, second]


def _forces(
    product: Floats, centre: Floats, half: Halves, margin: float
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """The distances of elements from their narrowed intervals.

    Args:
        product: (rows, columns) predicted updates; overwritten.
        centre: (rows, columns) centres of the intervals.
        half: half their widths.
        margin: the width that is taken off each half.

    Returns:
        (rows, columns) distances, and ones for elements that are outside, else zeros.
    """
    reach = half - np.float32(margin)
    np.maximum(reach, 0, out=reach)
    product -= centre
    force = np.clip(product, -reach, reach)
    force -= product
    return force, (force != 0).astype(np.float32)


@dataclasses.dataclass(slots=True)
class Fit:
    """Two factors of a matrix, each (entries, rank), in the working type.

    Columns of `right` have entries of about unit size, so those of `left` have the size of
    what each column adds to an update.
    """

    left: Floats
    right: Floats

    @property
    def rank(self) -> int:
        """Columns of each factor."""
        return int(self.left.shape[1])

    def at(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
        """Predicted updates of single elements."""
        updates: Floats = np.einsum("ik,ik->i", self.left[rows], self.right[columns])
        return updates

    def in_principal_axes(self) -> Fit:
        """The same product with orthogonal columns, the largest first.

        Raises:
            LinAlgError: the factors are not finite.
        """
        left_axes, left_part = np.linalg.qr(self.left)
        right_axes, right_part = np.linalg.qr(self.right)
        turn, sizes, back = np.linalg.svd(left_part @ right_part.T)
        unit = math.sqrt(len(self.right))
        left = left_axes @ (turn * (sizes / unit).astype(turn.dtype))
        right = (right_axes @ back.T) * right_axes.dtype.type(unit)
        return Fit(left, right)

    def first(self, rank: int) -> Fit:
        """The first columns of both factors, so many."""
        return Fit(
            np.ascontiguousarray(self.left[:, :rank]), np.ascontiguousarray(self.right[:, :rank])
        )

    def beside(self, other: Fit) -> Fit:
        """The columns of both factors, and those of another's behind them."""
        return Fit(
            np.concatenate([self.left, other.left], axis=1),
            np.concatenate([self.right, other.right], axis=1),
        )


def improve(fit: Fit, blocks: Blocks, margins: Sequence[float], *, right: bool) -> None:
    """One pass over a matrix: each row of `left` is fitted, then `right` once for all.

    Args:
        fit: improved in place.
        blocks: intervals of consecutive rows.
        margins: the margin of each time that a row is fitted; the last one serves `right`.
        right: whether to fit `right`.
    """
    groups = [slice(i, min(i + TOGETHER, fit.rank)) for i in range(0, fit.rank, TOGETHER)]
    others = [np.ascontiguousarray(fit.right[:, group]) for group in groups]
    others_squares = [_squares(other) for other in others]
    turned = np.ascontiguousarray(fit.right.T)
    sums = [Equations(len(fit.right), other.shape[1], fit.right.dtype) for other in others]
    for first, centre, half in blocks:
        left = fit.left[first : first + len(centre)]
        for margin in margins:
            for group, other, other_squares in zip(groups, others, others_squares, strict=True):
                own = Equations(len(left), other.shape[1], left.dtype)
                own.add(*_forces(left @ turned, centre, half, margin), other, other_squares)
                left[:, group] += own.step()
        if right:
            force, active = _forces(left @ turned, centre, half, margins[-1])
            for group, one in zip(groups, sums, strict=True):
                part = np.ascontiguousarray(left[:, group])
                one.add(force.T, active.T, part, _squares(part))
    if right:
        for group, one in zip(groups, sums, strict=True):
            fit.right[:, group] += one.step() * (1 if len(groups) == 1 else DAMPING)
