"""How much of a text somebody changed."""

from __future__ import annotations

import dataclasses
import difflib

from sapwood.workspace.disk.canonical import is_text, unix_ends

# `difflib` takes time with the square of what differs; past this only a bound is told.
MOST_LINES = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class LineChanges:
    """Lines that differ.

    Attributes:
        added: lines of the new text that the old one lacks, changed ones among them.
        removed: lines of the old text that the new one lacks.
    """

    added: int
    removed: int


def count_changes(old: bytes, new: bytes) -> LineChanges | None:
    """Counts lines that were added and removed; line ends do not count.

    Returns:
        The numbers; None if one of them is no text, or too long to compare.
    """
    if not is_text(old) or not is_text(new):
        return None
    before = unix_ends(old).decode().splitlines()
    after = unix_ends(new).decode().splitlines()
    if len(before) + len(after) > MOST_LINES:
        return None
    added = removed = 0
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            removed += j - i
            added += m - k
    return LineChanges(added, removed)
