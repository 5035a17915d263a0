"""Files as texts that people read: which lines of two differ."""

from __future__ import annotations

import dataclasses
import difflib
import json
from typing import Any

from sapwood.package import NOTEBOOK, UnreadableNotebook, holds_text, reduced_notebook, unix_ends

# `difflib` takes time with the square of what differs; past this only a bound is told.
MOST_LINES = 20_000
MARK = "# %%"  # begins a cell, as in scripts that editors take for notebooks


@dataclasses.dataclass(frozen=True, slots=True)
class LineChanges:
    """Lines that differ.

    Attributes:
        added: lines of the new text that the old one lacks, changed ones among them.
        removed: lines of the old text that the new one lacks.
    """

    added: int
    removed: int

    def to_json(self) -> dict[str, int]:
        """The counts as JSON values."""
        return {"lines_added": self.added, "lines_removed": self.removed}


def shown_text(data: bytes, path: str) -> bytes:
    """A file as people read it: of a notebook type and source of its cells, else its bytes."""
    if not path.endswith(NOTEBOOK):
        return data
    try:
        cells = json.loads(reduced_notebook(data))
        text = "\n".join(_cell_text(one) for one in cells)
    except (UnreadableNotebook, RecursionError):
        return data
    return text.encode("utf-8", "backslashreplace")


def _cell_text(cell: dict[str, Any]) -> str:
    """A reduced cell: a line with its type and what else counts of it, then its source."""
    more = {name: one for name, one in cell.items() if name not in {"type", "source"}}
    marks = [f"{name}={json.dumps(more[name], sort_keys=True)}" for name in sorted(more)]
    source = cell["source"].removesuffix("\n")
    return "\n".join([" ".join([MARK, f"[{cell['type']}]", *marks]), source, ""])


def _both_lines(old: bytes, new: bytes) -> tuple[list[str], list[str]] | None:
    """The lines of two texts, without their ends; None if one is no text, or both are too long."""
    if not holds_text(old) or not holds_text(new):
        return None
    before, after = (unix_ends(one).decode().splitlines() for one in (old, new))
    return (before, after) if len(before) + len(after) <= MOST_LINES else None


def count_changes(old: bytes, new: bytes) -> LineChanges | None:
    """Counts lines that were added and removed; line ends do not count.

    Returns:
        The numbers; None if one of them is no text, or too long to compare.
    """
    both = _both_lines(old, new)
    if both is None:
        return None
    added = removed = 0
    matcher = difflib.SequenceMatcher(None, *both, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            removed += j - i
            added += m - k
    return LineChanges(added, removed)


def unified_lines(old: bytes, new: bytes, names: tuple[str, str]) -> tuple[str, ...] | None:
    """A unified diff of two texts, without line ends, which do not count.

    Returns:
        Its lines; None if one of the two is no text, or too long to compare.
    """
    both = _both_lines(old, new)
    return None if both is None else tuple(difflib.unified_diff(*both, *names, lineterm=""))
