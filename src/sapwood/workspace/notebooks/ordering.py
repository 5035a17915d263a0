"""Puts the cells of a merge in a row.

The user's order holds where the template kept its own, the template's where it moved cells.
A cell that only the other side has follows the cell that it follows there; what the user
added or kept comes before what the template added after the same one.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sapwood.workspace.notebooks.cells import Cell
from sapwood.workspace.notebooks.matching import Triple

Side: TypeAlias = Callable[[Triple], Cell | None]
BASE: Side = operator.attrgetter("base")
OURS: Side = operator.attrgetter("ours")
THEIRS: Side = operator.attrgetter("theirs")


def in_order(triples: Sequence[Triple], kept: Sequence[Triple]) -> list[Triple]:
    """The cells of a merge, in order.

    Args:
        triples: all cells, in any order.
        kept: cells that are in the result.

    Returns:
        `kept`, each once.
    """
    frame, other = (THEIRS, OURS) if _moved(triples, BASE, THEIRS) else (OURS, THEIRS)
    chain = CellRow(_by_place(kept, frame))
    staying = set(map(id, kept))
    last: Triple | None = None
    for one in _by_place(triples, other):
        if id(one) not in staying:
            continue
        if frame(one) is None:
            chain.insert(one, last, skip=other is THEIRS)
        last = one
    return chain.listed()


def both_moved(triples: Sequence[Triple]) -> bool:
    """Whether the user and the template put cells in two new orders."""
    return (
        _moved(triples, BASE, OURS)
        and _moved(triples, BASE, THEIRS)
        and _moved(triples, OURS, THEIRS)
    )


def _moved(triples: Sequence[Triple], before: Side, after: Side) -> bool:
    """Whether the cells that two sides have are in another order in the second."""
    places = [
        one.number for triple in _by_place(triples, before) if (one := after(triple)) is not None
    ]
    return any(a > b for a, b in itertools.pairwise(places))


def _by_place(triples: Sequence[Triple], side: Side) -> list[Triple]:
    """The cells that a side has, as it has them in order."""
    there = [(cell.number, triple) for triple in triples if (cell := side(triple)) is not None]
    return [triple for _, triple in sorted(there, key=operator.itemgetter(0))]


class CellRow:
    """A row of cells into which others are put, in a time that does not grow with it."""

    def __init__(self, row: Sequence[Triple]) -> None:
        """Starts with some.

        Args:
            row: cells, in order.
        """
        self._next: dict[int, Triple | None] = {}  # by identity; 0 stands for the start
        before = 0
        for one in row:
            self._next[before] = one
            before = id(one)
        self._next[before] = None

    def insert(self, cell: Triple, after: Triple | None, *, skip: bool) -> None:
        """Puts a cell behind another.

        Args:
            cell: the cell to put in.
            after: the cell that it follows, None for the start.
            skip: whether it comes behind what the user alone has there.
        """
        place = 0 if after is None else id(after)
        while skip and (beyond := self._next[place]) is not None and beyond.theirs is None:
            place = id(beyond)
        self._next[id(cell)] = self._next[place]
        self._next[place] = cell

    def listed(self) -> list[Triple]:
        """The row."""
        row, one = [], self._next[0]
        while one is not None:
            row.append(one)
            one = self._next[id(one)]
        return row
