"""What a merge says of the cells that it could not leave to both sides."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any


class Reason(enum.StrEnum):
    """Why a cell is reported."""

    BOTH = "both changed it"  # the user's stays
    REMOVED = "the template removed it, you had changed it"  # the user's stays
    DELETED = "you deleted it, the template changed it"  # it stays deleted
    TAKEN = "the template locked it, you had changed it"  # the template's; backup has the user's
    TAGS = "both changed its tags"  # the user's stay; the template's in what nbgrader marks
    LOCKED = "locked, the template's again"  # as it belongs; the backup has the user's
    RESTORED = "locked, you had deleted it"  # it is back
    COPY = "a copy of a marked cell"  # stays, without nbgrader's mark
    ORDER = "both moved cells"  # the template's order


TO_LOOK_AT = frozenset({Reason.BOTH, Reason.REMOVED, Reason.DELETED, Reason.TAKEN, Reason.TAGS})


@dataclasses.dataclass(frozen=True, slots=True)
class CellReport:
    """A cell of which one side is not in the result as that side has it.

    Attributes:
        cell: nbgrader's name of the cell, or the first words in it.
        reason: why it is reported.
        text: source that is not in the result, with LF; empty where it is.
    """

    cell: str
    reason: Reason
    text: str = ""

    @property
    def is_conflict(self) -> bool:
        """Whether the user has to look at it."""
        return self.reason in TO_LOOK_AT

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, without the text."""
        return {"cell": self.cell, "reason": self.reason.value, "conflict": self.is_conflict}


@dataclasses.dataclass(frozen=True, slots=True)
class MergedNotebook:
    """A notebook made of two.

    Attributes:
        data: bytes of the file.
        taken: number of cells that the template changed, added or removed in it.
        reports: reports of cells of which one side gave way.
    """

    data: bytes
    taken: int
    reports: tuple[CellReport, ...]

    @property
    def conflicts(self) -> tuple[CellReport, ...]:
        """Reports that the user has to look at."""
        return tuple(one for one in self.reports if one.is_conflict)

    def to_json(self) -> dict[str, Any]:
        """What became of the notebook, as JSON values."""
        return {
            "taken": self.taken,
            "conflicts": len(self.conflicts),
            "cells": [one.to_json() for one in self.reports],
        }
