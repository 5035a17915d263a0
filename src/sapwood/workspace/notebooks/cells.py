"""Reads a notebook into its cells, in bounded memory, and tells whose each cell is."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any, TypeAlias

from sapwood.documents.canonical_json import unique
from sapwood.package import (
    LARGEST_READ,
    UnreadableNotebook,
    parsed_notebook,
    reduced_cell,
)

MOST_CELLS = 5_000  # of one notebook; matching takes memory and time by their number
LONGEST_NAME = 60  # characters of a cell's name in reports
MOST_LEVELS = 200  # of values in values, so that no later step runs out of stack
HIGHEST_MINOR = 99  # of nbformat 4; there are 0 to 5

Body: TypeAlias = tuple[str, str, str]
"""What somebody edits of a cell: type, source with LF, attachments as JSON."""


class Role(enum.Enum):
    """Whose a cell is, as nbgrader's metadata say."""

    FREE = "free"
    SOLUTION = "solution"  # the student's to write
    LOCKED = "locked"  # the template's: tests, and what is marked as locked


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A cell of one notebook.

    Attributes:
        number: place among the notebook's cells, from 0 on.
        raw: JSON object of the cell; not to be changed.
        text: source, character for character as the file has it.
        body: what somebody edits of the cell.
        metadata: the cell's metadata.
        grade_id: nbgrader's name of the cell, None without one.
        id: id of the cell, None without one.
        role: whose the cell is.
    """

    number: int
    raw: dict[str, Any]
    text: str
    body: Body
    metadata: dict[str, Any]
    grade_id: str | None
    id: str | None
    role: Role

    @property
    def kind(self) -> str:
        """'code', 'markdown' or 'raw'."""
        return self.body[0]

    @property
    def source(self) -> str:
        """Its text with LF."""
        return self.body[1]

    @property
    def name(self) -> str:
        """What people know it by: nbgrader's name, or the first words in it."""
        lines = (line.strip() for line in self.source.splitlines())
        first = next((line for line in lines if line), f"cell {self.number + 1}")
        name = first if self.grade_id is None else self.grade_id
        return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"

    def is_as(self, other: Cell) -> bool:
        """Whether the cell was not edited since it was another: the same body and tags."""
        return self.body == other.body and self.metadata.get("tags") == other.metadata.get("tags")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Book:
    """A notebook.

    Attributes:
        raw: JSON object of the notebook; not to be changed.
        cells: cells, in order.
        minor: minor version of the format, which is 4.
        metadata: the notebook's metadata.
    """

    raw: dict[str, Any]
    cells: tuple[Cell, ...]
    minor: int
    metadata: dict[str, Any]


def read_book(data: bytes) -> Book:
    """Reads a notebook.

    Args:
        data: the file's bytes.

    Raises:
        UnreadableNotebook: it is none of format 4, has a key twice, or is too large to be merged.
    """
    if len(data) > LARGEST_READ:
        raise UnreadableNotebook(
            f"expected at most {LARGEST_READ >> 20} MiB, found {len(data)} bytes"
        )
    book = parsed_notebook(data, unique)
    cells, minor = book["cells"], book.get("nbformat_minor", 0)
    if len(cells) > MOST_CELLS:
        raise UnreadableNotebook(f"expected at most {MOST_CELLS} cells, found {len(cells)}")
    if type(minor) is not int or not 0 <= minor <= HIGHEST_MINOR:
        raise UnreadableNotebook("expected nbformat_minor to be a small number")
    metadata = book.get("metadata", {})
    if not isinstance(metadata, dict):
        raise UnreadableNotebook("metadata that is no object")
    _check_depth(book, MOST_LEVELS)
    read = tuple(_read_cell(raw, number) for number, raw in enumerate(cells))
    return Book(book, read, minor, metadata)


def _check_depth(value: Any, levels: int) -> None:
    """Sees to it that a value has no more than some levels of others.

    Raises:
        UnreadableNotebook: it has.
    """
    if levels == 0:
        raise UnreadableNotebook(f"expected at most {MOST_LEVELS} levels of values")
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, dict | list):
                _check_depth(one, levels - 1)


def _read_cell(raw: Any, number: int) -> Cell:
    """The cell of a place, counted from 0.

    Raises:
        UnreadableNotebook: it is none.
    """
    reduced = reduced_cell(raw)  # refuses what is no cell
    metadata = raw.get("metadata", {})
    marks = metadata.get("nbgrader")
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    attachments = json.dumps(reduced.get("attachments"), sort_keys=True)
    source = raw["source"]
    return Cell(
        number=number,
        raw=raw,
        text=source if isinstance(source, str) else "".join(source),
        body=(reduced["type"], reduced["source"], attachments),
        metadata=metadata,
        grade_id=grade_id if isinstance(grade_id, str) and grade_id else None,
        id=one if isinstance(one := raw.get("id"), str) and one else None,
        role=_role_of(marks),
    )


def _role_of(marks: Any) -> Role:
    """Whose a cell is, by nbgrader's own rules (`is_locked` and `is_solution` of its utils).

    Args:
        marks: value of 'nbgrader' in the cell's metadata.
    """
    if not isinstance(marks, dict):
        return Role.FREE
    if marks.get("solution"):
        return Role.SOLUTION  # also one graded by hand, which has grade: true as well
    return Role.LOCKED if marks.get("grade") or marks.get("locked") else Role.FREE
