"""Ids of a notebook's cells that stay from release to release.

Updates find a cell in a student's notebook by its id. A cell that nbgrader knows is called by
its `grade_id`. Any other keeps the id that it had in the release before, also where its text was
edited or it was moved, and gets one from its text when it is new. Same cells, same ids: nothing
here is random.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import itertools
from collections.abc import Mapping, Sequence

ALIKE = 0.6  # of two texts, as difflib measures it, from which on one is an edit of the other


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell, as far as its id depends on it.

    Attributes:
        kind: 'code', 'markdown' or 'raw'.
        source: its text.
        name: nbgrader's `grade_id`, None if it has none.
    """

    kind: str
    source: str
    name: str | None = None


def cell_ids(cells: Sequence[Cell], before: Mapping[str, Cell]) -> list[str]:
    """The ids of cells, unique among them.

    Args:
        cells: of a notebook.
        before: its cells in the release before, by id and in order; empty for a new one.
    """
    known = {id_: cell for id_, cell in before.items() if cell.name is None}
    taken = {cell.name for cell in cells if cell.name is not None}
    found: dict[int, str] = {}
    for place, id_ in carried(cells, known).items():
        if id_ not in taken:
            found[place] = id_
            taken.add(id_)
    ids = []
    for place, cell in enumerate(cells):
        id_ = cell.name or found.get(place) or fresh_id(cell, taken | set(before))
        taken.add(id_)
        ids.append(id_)
    return ids


def carried(cells: Sequence[Cell], before: Mapping[str, Cell]) -> dict[int, str]:
    """Which cells without a name have the id of one before, by place.

    Equal cells in the same order come first; among what is left, the most alike.
    """
    olds = list(before.items())
    places = [place for place, cell in enumerate(cells) if cell.name is None]
    same = difflib.SequenceMatcher(
        None, [cell for _, cell in olds], [cells[place] for place in places], autojunk=False
    )
    found = {
        places[block.b + step]: olds[block.a + step][0]
        for block in same.get_matching_blocks()
        for step in range(block.size)
    }
    used = set(found.values())
    likeness = sorted(
        (-alike(cell, cells[place]), place, number)
        for number, (id_, cell) in enumerate(olds)
        if id_ not in used
        for place in places
        if place not in found and cell.kind == cells[place].kind
    )
    for ratio, place, number in likeness:
        id_ = olds[number][0]
        if -ratio >= ALIKE and place not in found and id_ not in used:
            found[place] = id_
            used.add(id_)
    return found


def alike(one: Cell, other: Cell) -> float:
    """How alike two texts are, from 0 to 1."""
    return difflib.SequenceMatcher(None, one.source, other.source, autojunk=False).ratio()


def fresh_id(cell: Cell, taken: set[str]) -> str:
    """An id for a new cell, from its text."""
    for number in itertools.count():
        text = f"{cell.kind}\0{cell.source}\0{number}"
        id_ = hashlib.sha256(text.encode()).hexdigest()[:12]
        if id_ not in taken:
            return id_
    raise AssertionError("itertools.count() does not end")
