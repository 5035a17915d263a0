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

from sapwood.prediction.intervals import Floats

Blocks: TypeAlias = Iterable[tuple[int, Floats, npt.NDArray[np.float32]]]

# Up to this rank every row has a Hessian of its own; it takes rank^2 / 2 products an
# element. Above, rows share one and are given their number of active elements.
MOST_OWN_HESSIAN = 40
RIDGE = 1e-3  # of a Hessian's diagonal
DAMPING = 0.7  # of steps with a shared Hessian


class Equations:
    """Normal equations of the rows of one factor, summed up block by block.

    Args:
        rows: of the factor.
        rank: its columns.
        work: the working type.
    """

    def __init__(self, rows: int, rank: int, work: np.dtype[Any]) -> None:
        self.own = rank <= MOST_OWN_HESSIAN
        self.gradient = np.zeros((rows, rank), work)
        width = rank * (rank + 1) // 2 if self.own else 1
        self.hessian = np.zeros((rows, width), np.float32)
        self.shared = np.zeros((rank, rank), np.float64)
        self.seen = 0

    def add(
        self,
        force: Floats,
        active: npt.NDArray[np.float32],
        other: Floats,
        other_squares: npt.NDArray[np.float32],
    ) -> None:
        """Adds elements: (rows, n) forces and whether active, against (n, rank) of the other."""
        self.gradient += force @ other
        if self.own:
            self.hessian += active @ other_squares
        else:
            self.hessian[:, 0] += active.sum(axis=1)
            self.shared += other.T @ other
            self.seen += len(other)

    def step(self) -> Floats:
        """(rows, rank) what Newton's method adds to the factor."""
        rank = self.gradient.shape[1]
        if self.own:
            systems = self.hessian[:, square_of(rank)].astype(np.float64)
        else:
            systems = self.shared
        diagonal = np.diagonal(systems, axis1=-2, axis2=-1)
        # A row with few active elements leans on what is usual in its column.
        usual = diagonal.reshape(-1, rank).mean(axis=0)
        ridge = RIDGE * (diagonal + usual) + np.finfo(np.float64).tiny
        systems = systems.copy()
        index = np.arange(rank)
        systems[..., index, index] += ridge
        gradient = self.gradient.astype(np.float64)
        if self.own:
            found = np.linalg.solve(systems, gradient[..., None])[..., 0]
        else:
            share = np.maximum(self.hessian[:, :1] / max(1, self.seen), RIDGE)
            found = DAMPING * np.linalg.solve(systems, gradient.T).T / share
        return found.astype(self.gradient.dtype)


@functools.lru_cache(maxsize=64)
def _pairs(rank: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(rank)


@functools.lru_cache(maxsize=64)
def square_of(rank: int) -> npt.NDArray[np.intp]:
    """(rank, rank) where each entry of a symmetric matrix is among its upper triangle."""
    where = np.zeros((rank, rank), np.intp)
    first, second = _pairs(rank)
    where[first, second] = where[second, first] = np.arange(len(first))
    return where


def squares(factor: Floats) -> npt.NDArray[np.float32]:
    """(n, rank (rank + 1) / 2) products of each row's entries with each other."""
    if factor.shape[1] > MOST_OWN_HESSIAN:
        return np.zeros((len(factor), 0), np.float32)
    first, second = _pairs(factor.shape[1])
    narrow = factor.astype(np.float32, copy=False)
    return narrow[:, first] * narrow[:, second]


def forces(
    product: Floats, centre: Floats, half: npt.NDArray[np.float32], margin: float
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """How far each element is from its narrowed interval, and which are outside.

    Args:
        product: (rows, columns) predicted updates; overwritten.
        centre: of the intervals.
        half: half their widths.
        margin: what is taken off each half.
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
        return np.einsum("ik,ik->i", self.left[rows], self.right[columns])

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
        """With the first columns alone."""
        return Fit(
            np.ascontiguousarray(self.left[:, :rank]), np.ascontiguousarray(self.right[:, :rank])
        )


def improve(fit: Fit, blocks: Blocks, margins: Sequence[float], *, right: bool) -> None:
    """One pass over a matrix: each row of `left` is fitted, then `right` once for all.

    Args:
        fit: improved in place.
        blocks: (first row, centres, half widths) of consecutive rows.
        margins: one for each time that a row is fitted; the last one serves `right`.
        right: whether to fit `right`.
    """
    right_squares = squares(fit.right)
    turned = np.ascontiguousarray(fit.right.T)
    equations = Equations(len(fit.right), fit.rank, fit.right.dtype)
    for first, centre, half in blocks:
        left = fit.left[first : first + len(centre)]
        for margin in margins:
            own = Equations(len(left), fit.rank, left.dtype)
            own.add(*forces(left @ turned, centre, half, margin), fit.right, right_squares)
            left += own.step()
        if right:
            force, active = forces(left @ turned, centre, half, margins[-1])
            equations.add(force.T, active.T, left, squares(left))
    if right:
        fit.right += equations.step()
