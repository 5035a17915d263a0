"""Files as texts that people read: which lines of two differ."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from sapwood.package import NOTEBOOK, UnreadableNotebook, holds_text, reduced_notebook, unix_ends
from sapwood.workspace.change.lcs import MOST_PAIRS, common_runs
from sapwood.workspace.change.unified import unified_diff

MOST_LINES = 1 << 20  # of both texts; a line takes some 60 bytes of memory beside its letters
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # as `str.splitlines` has them
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
    before, after = (unix_ends(one).decode() for one in (old, new))
    if sum(text.count(end) for text in (before, after) for end in LINE_ENDS) > MOST_LINES:
        return None
    return before.splitlines(), after.splitlines()


def count_changes(old: bytes, new: bytes, most_pairs: int = MOST_PAIRS) -> LineChanges | None:
    """Counts lines that were added and removed; line ends do not count.

    Args:
        old, new: the two texts.
        most_pairs: pairs of lines that are compared at most, without those that both begin and
            end with.

    Returns:
        The numbers; None if one of them is no text, or they are too long to compare.
    """
    both = _both_lines(old, new)
    runs = None if both is None else common_runs(*both, most_pairs)
    if both is None or runs is None:
        return None
    alike = sum(run.length for run in runs)
    return LineChanges(len(both[1]) - alike, len(both[0]) - alike)


def unified_lines(
    old: bytes, new: bytes, names: tuple[str, str], most_pairs: int = MOST_PAIRS
) -> tuple[str, ...] | None:
    """A unified diff of two texts, without line ends, which do not count.

    Args:
        old, new, most_pairs: as of `count_changes`.
        names: names of the two texts.

    Returns:
        Its lines; None if one of the two is no text, or they are too long to compare.
    """
    both = _both_lines(old, new)
    runs = None if both is None else common_runs(*both, most_pairs)
    if both is None or runs is None:
        return None
    return tuple(unified_diff(*both, runs, names))
