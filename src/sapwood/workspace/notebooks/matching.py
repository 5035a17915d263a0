"""Finds the same cell in three notebooks.

By nbgrader's grade_id, then by id, then by equal content, then by likeness. Ids alone would
not do: converters give random ones at each build, some programs number them, and notebooks
before 4.5 have none. Cells with two different grade_ids are taken for one by their id only:
the stubs of all exercises look alike.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeAlias

from sapwood.workspace.notebooks.cells import Body, Cell

ALIKE = 0.5  # share of words that a cell which was edited has in common, at least
MOST_PAIRS = 10_000  # that are compared by likeness
MOST_WORDS = 1_000  # of a cell that are looked at
WORD = re.compile(r"\w+|[^\w\s]")

Key: TypeAlias = Callable[[Cell], Hashable]
GRADE_ID: Key = operator.attrgetter("grade_id")
CELL_ID: Key = operator.attrgetter("id")
BODY: Key = operator.attrgetter("body")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Triple:
    """One cell as three notebooks have it, None in those that lack it.

    Attributes:
        base: the cell as it was installed.
        ours: the cell as the user has it.
        theirs: the cell as the template has it.
    """

    base: Cell | None
    ours: Cell | None
    theirs: Cell | None


def align(base: Sequence[Cell], ours: Sequence[Cell], theirs: Sequence[Cell]) -> list[Triple]:
    """Finds the same cells; each cell is in one triple, in no order that means anything."""
    to_ours, to_theirs = _match(base, ours), _match(base, theirs)
    from_ours = {mine: one for one, mine in to_ours.items()}
    from_theirs = {new: one for one, new in to_theirs.items()}
    # What both have added, or made of something the other could not be matched with.
    lone_ours = [one for one in ours if from_ours.get(one) not in to_theirs]
    lone_theirs = [one for one in theirs if from_theirs.get(one) not in to_ours]
    direct = {
        mine: new
        for mine, new in _match(lone_ours, lone_theirs, certain=True).items()
        if mine not in from_ours or new not in from_theirs
    }
    triples = []
    for mine in ours:
        one = from_ours.get(mine)
        new = direct.get(mine) or (None if one is None else to_theirs.get(one))
        origin = one if one is not None or new is None else from_theirs.get(new)
        triples.append(Triple(origin, mine, new))
    placed = {one.theirs for one in triples}
    triples += [Triple(from_theirs.get(one), None, one) for one in theirs if one not in placed]
    seen = {one.base for one in triples}
    return triples + [Triple(one, None, None) for one in base if one not in seen]


def _match(
    left: Sequence[Cell], right: Sequence[Cell], *, certain: bool = False
) -> dict[Cell, Cell]:
    """Pairs the cells of two notebooks.

    Args:
        left, right: cells of each, in order.
        certain: whether only names of nbgrader and equal contents count: two who add a cell
            each may come to one id.

    Returns:
        The cell on the right for each on the left that has one; none is in two pairs.
    """
    pairs = Pairs(left, right)
    pairs.by_grade_id()
    if not certain:
        pairs.by_id()
    pairs.by_content()
    if not certain:
        pairs.by_likeness()
    return pairs.found


class Pairs:
    """Pairs of cells of two notebooks, found step by step.

    Attributes:
        found: the cell on the right for each on the left that has one.
    """

    def __init__(self, left: Sequence[Cell], right: Sequence[Cell]) -> None:
        """Starts without any.

        Args:
            left, right: cells of each, in order.
        """
        self.found: dict[Cell, Cell] = {}
        self._left, self._right = left, right
        self._taken: set[Cell] = set()

    def by_grade_id(self) -> None:
        """Pairs by nbgrader's names; of copies those with one id, then those that are equal."""
        there = _grouped(self._right, GRADE_ID)
        for name, cells in _grouped(self._left, GRADE_ID).items():
            others = there.get(name, [])
            for key in (CELL_ID, BODY, GRADE_ID):
                self._pair_in_order(cells, others, key)

    def by_id(self) -> None:
        """Pairs by ids that occur once, unless the same text under another id says otherwise."""
        there = _grouped(self._rest(self._right), CELL_ID)
        here = _grouped(self._rest(self._left), CELL_ID)
        mine, new = self._single_texts(self._left), self._single_texts(self._right)
        for name, cells in here.items():
            others = there.get(name, [])
            if len(cells) != 1 or len(others) != 1:
                continue
            cell, other = cells[0], others[0]
            moved = cell.body != other.body and (cell.body in new or other.body in mine)
            if not moved:
                self._pair(cell, other)

    def by_content(self) -> None:
        """Pairs equal cells: what occurs once, then neighbours of pairs, then in order."""
        here, there = self._rest(self._left), self._rest(self._right)
        self._pair_single(here, there, _marked_body)
        self._extend(1)
        self._extend(-1)
        self._pair_in_order(here, there, _marked_body)
        # What nbgrader's name was given to, or taken from, since.
        self._pair_single(self._rest(here), self._rest(there), _written_body)

    def by_likeness(self) -> None:
        """Pairs cells that share most of their words, the most alike first."""
        here = [one for one in self._rest(self._left) if one.grade_id is None]
        there = [one for one in self._rest(self._right) if one.grade_id is None]
        if len(here) * len(there) > MOST_PAIRS:
            return
        left, right = [(one, _words(one)) for one in here], [(one, _words(one)) for one in there]
        scores = [
            (score, cell, other)
            for cell, mine in left
            for other, new in right
            if cell.kind == other.kind and (score := _shared(mine, new)) >= ALIKE
        ]
        # Of equally alike cells those that have moved least.
        scores.sort(key=lambda one: (-one[0], abs(one[1].number - one[2].number)))
        for _, cell, other in scores:
            if cell not in self.found and other not in self._taken:
                self._pair(cell, other)

    def _extend(self, step: int) -> None:
        """Pairs equal cells next to pairs, going in one direction."""
        at = {cell: place for place, cell in enumerate(self._right)}
        for place in range(len(self._left))[::step]:
            other = self.found.get(self._left[place])
            if other is None or not 0 <= place + step < len(self._left):
                continue
            cell, beyond = self._left[place + step], at[other] + step
            if 0 <= beyond < len(self._right) and cell not in self.found:
                other = self._right[beyond]
                if other not in self._taken and _marked_body(cell) == _marked_body(other):
                    self._pair(cell, other)

    def _pair_single(self, cells: Sequence[Cell], others: Sequence[Cell], key: Key) -> None:
        """Pairs cells by what occurs once on both sides."""
        there = _grouped(others, key)
        for name, group in _grouped(cells, key).items():
            found = there.get(name, [])
            if len(group) == len(found) == 1 and _agree(group[0], found[0]):
                self._pair(group[0], found[0])

    def _pair_in_order(self, cells: Sequence[Cell], others: Sequence[Cell], key: Key) -> None:
        """Pairs the cells of each key, the first with the first."""
        there = _grouped((one for one in others if one not in self._taken), key)
        for name, group in _grouped((one for one in cells if one not in self.found), key).items():
            for cell, other in zip(group, there.get(name, []), strict=False):
                self._pair(cell, other)

    def _pair(self, cell: Cell, other: Cell) -> None:
        self.found[cell] = other
        self._taken.add(other)

    def _rest(self, cells: Sequence[Cell]) -> list[Cell]:
        return [one for one in cells if one not in self.found and one not in self._taken]

    def _single_texts(self, cells: Sequence[Cell]) -> set[Body]:
        """Texts that one cell alone has, among those that are not paired yet."""
        counts = collections.Counter(one.body for one in self._rest(cells) if one.source.strip())
        return {body for body, count in counts.items() if count == 1}


def _grouped(cells: Iterable[Cell], key: Key) -> dict[Hashable, list[Cell]]:
    """Cells by a key, in order; without those that have none."""
    groups: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        if (name := key(cell)) is not None:
            groups.setdefault(name, []).append(cell)
    return groups


def _marked_body(cell: Cell) -> tuple[Body, str | None]:
    """What somebody edits of a cell, and nbgrader's name of it."""
    return cell.body, cell.grade_id


def _written_body(cell: Cell) -> Body | None:
    """What somebody edits of a cell, None where that is nothing."""
    return cell.body if cell.source.strip() else None


def _agree(cell: Cell, other: Cell) -> bool:
    """Whether nbgrader's names do not tell two cells apart."""
    return cell.grade_id == other.grade_id or None in (cell.grade_id, other.grade_id)


def _words(cell: Cell) -> collections.Counter[str]:
    """The words and signs of a cell, with how often they occur."""
    found = (one[0] for one in WORD.finditer(cell.source))
    return collections.Counter(one for one, _ in zip(found, range(MOST_WORDS), strict=False))


def _shared(one: collections.Counter[str], other: collections.Counter[str]) -> float:
    """The share of words in common, from 0 to 1."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0
