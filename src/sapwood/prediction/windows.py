"""The intervals of one matrix, by rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes
from sapwood.prediction.intervals import ElementType, Floats, Halves, Read, intervals

Rows: TypeAlias = npt.NDArray[np.intp]

HELD = 1 << 22  # elements of a matrix whose intervals are kept in memory
BLOCK = 1 << 16  # elements worked on at a time; small, so that they stay in the cache
PIECE = 1 << 18  # elements whose intervals are computed at a time
NEIGHBOURS = 4  # rows that are read together at a glance: calls take time
GLANCED = 512  # columns that are enough at a glance
WILD = 0.25  # of a row's or a column's elements beyond reach: the others are left out too


@dataclasses.dataclass(slots=True, eq=False)
class Windows:
    """Reads the rows of one matrix of a tensor as intervals of their updates.

    Matrices of up to HELD elements are held once they have been read whole; larger ones are
    read again by every pass.

    Attributes:
        kind: the element type.
        read: gives the base sums and target bytes of elements [first, last) of the tensor.
        first: place in the tensor of the matrix's first element.
        rows: rows of the matrix.
        columns: columns of the matrix.
        each: whether the update was rounded before it was added.
        reach: the farthest that an update goes; elements that none so large explains take any.
    """

    kind: ElementType
    read: Read
    first: int
    rows: int
    columns: int
    each: bool = False
    reach: float = math.inf
    _held: tuple[Floats, Halves] | None = dataclasses.field(default=None, init=False)

    def release(self) -> None:
        """Holds intervals no longer."""
        self._held = None

    def between(self, first: int, last: int) -> tuple[Floats, Halves]:
        """Centres and half widths of rows [first, last), each (rows, columns); to be read only."""
        if self._held is not None:
            return self._held[0][first:last], self._held[1][first:last]
        begin = self.first + first * self.columns
        base, target = self.read(begin, begin + (last - first) * self.columns)
        return self._intervals(base, target)

    def spread(self, count: int) -> tuple[Floats, Halves]:
        """The intervals of about `count` rows, evenly spread, in arrays of their own."""
        return self.at(self.places(count))

    def glance(self, count: int) -> tuple[Floats, Halves]:
        """The intervals of `count` rows in groups of neighbours, and not all columns of them."""
        rows = self.places(count, NEIGHBOURS)[::NEIGHBOURS]
        base, target = self._groups(rows, min(self.rows, NEIGHBOURS))
        every = max(1, self.columns // max(GLANCED, 4 * count))
        if every > 1:
            kept = np.ascontiguousarray(base.reshape(-1, self.columns)[:, ::every])
            items = target.reshape(-1, self.columns, self.kind.dtype.size)[:, ::every]
            base, target = kept.reshape(-1), np.ascontiguousarray(items).reshape(-1)
        centre, half = intervals(self.kind, base, target, self.each)
        shape = (-1, -(-self.columns // every))
        return centre.reshape(shape), half.reshape(shape)

    def places(self, count: int, together: int = 1) -> Rows:
        """Numbers of about `count` rows, in evenly spread groups of so many neighbours."""
        groups = max(1, min(count, self.rows) // together)
        if groups * together >= self.rows:
            return np.arange(self.rows)
        starts = np.arange(groups) * (self.rows - together) // max(1, groups - 1)
        rows: Rows = (starts[:, None] + np.arange(together)).ravel()
        return rows

    def at(self, rows: Rows) -> tuple[Floats, Halves]:
        """Centres and half widths of these rows, each (rows, columns), in arrays of their own."""
        if self._held is not None:
            return self._held[0][rows], self._held[1][rows]
        most = max(1, PIECE // self.columns)
        if len(rows) == self.rows:
            return self._whole(most)
        centre = np.empty((len(rows), self.columns), self.kind.work)
        half = np.empty((len(rows), self.columns), np.float32)
        for first in range(0, len(rows), most):
            piece = slice(first, first + most)
            centre[piece], half[piece] = self._intervals(*self._groups(rows[piece], 1))
        return centre, half

    def _groups(self, starts: Rows, together: int) -> tuple[Floats, Bytes]:
        width = together * self.columns
        places = (self.first + starts * self.columns).tolist()
        bases, targets = zip(*[self.read(at, at + width) for at in places], strict=True)
        return np.concatenate(bases), np.concatenate(targets)

    def _intervals(self, base: Floats, target: Bytes) -> tuple[Floats, Halves]:
        centre, half = intervals(self.kind, base, target, self.each)
        centre, half = centre.reshape(-1, self.columns), half.reshape(-1, self.columns)
        if self.reach < math.inf:
            wild = np.abs(centre) > self.reach + half
            if wild.any():
                wild |= wild.mean(axis=1, keepdims=True) > WILD
                wild |= wild.mean(axis=0) > WILD
                half[wild] = np.inf
                centre[wild] = 0
        return centre, half

    def blocks(self) -> Iterator[tuple[int, Floats, Halves]]:
        """(first row, centres, half widths) of all rows in turn."""
        step = max(1, BLOCK // self.columns)
        if self._held is None and self.rows * self.columns <= HELD:
            self._held = self._whole(step)
        for first in range(0, self.rows, step):
            yield first, *self.between(first, min(self.rows, first + step))

    def _whole(self, step: int) -> tuple[Floats, Halves]:
        centre = np.empty((self.rows, self.columns), self.kind.work)
        half = np.empty((self.rows, self.columns), np.float32)
        for first in range(0, self.rows, step):
            last = min(self.rows, first + step)
            centre[first:last], half[first:last] = self.between(first, last)
        return centre, half


def cut(centre: Floats, half: Halves) -> Iterator[tuple[int, Floats, Halves]]:
    """Blocks of rows of a matrix in memory."""
    step = max(1, BLOCK // max(1, centre.shape[1]))
    for first in range(0, len(centre), step):
        yield first, centre[first : first + step], half[first : first + step]
