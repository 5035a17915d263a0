"""How a file of the user's differs from the template's, for people to read."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Any

from sapwood.workspace.change.lines import MOST_LINES
from sapwood.workspace.change.planning import Change
from sapwood.workspace.change.results import Difference
from sapwood.workspace.disk.canonical import (
    LARGEST,
    NOTEBOOK,
    Unreadable,
    is_text,
    reduced_notebook,
    unix_ends,
)
from sapwood.workspace.disk.durable import read_whole
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.template.template import Template

MARK = "# %%"  # begins a cell, as in scripts that editors take for notebooks


def shown_text(data: bytes, path: str) -> bytes:
    """A file as people read it: of a notebook type and source of its cells, else its bytes."""
    if not path.endswith(NOTEBOOK):
        return data
    try:
        cells = json.loads(reduced_notebook(data))
        text = "\n".join(cell_text(one) for one in cells)
    except (Unreadable, RecursionError):
        return data
    return text.encode("utf-8", "backslashreplace")


def cell_text(cell: dict[str, Any]) -> str:
    """A reduced cell: a line with its type and what else counts of it, then its source."""
    more = {name: one for name, one in cell.items() if name not in {"type", "source"}}
    marks = [f"{name}={json.dumps(more[name], sort_keys=True)}" for name in sorted(more)]
    source = cell["source"].removesuffix("\n")
    return "\n".join([" ".join([MARK, f"[{cell['type']}]", *marks]), source, ""])


def difference_of(change: Change, root: Path, template: Template) -> Difference:
    """How a file on disk differs from the template's.

    Args:
        change: that a reset would make.
        root: of the workspace.
        template: that it is from.

    Raises:
        InvalidTemplate, OSError: something cannot be read.
    """
    known = change.path if change.moved_from is None else change.moved_from
    mine: bytes | None = b""
    if isinstance(Disk(root).status(known), os.stat_result):
        mine = read_whole(root / known, LARGEST)
    file = template.files[change.path]
    if mine is None or file.only is not None or file.size > LARGEST:
        return Difference(change.path, change.state, None)
    names = f"{known} (yours)", f"{change.path} ({template.version})"
    old, new = shown_text(mine, known), shown_text(file.read(), change.path)
    return Difference(change.path, change.state, unified_lines(old, new, names))


def unified_lines(old: bytes, new: bytes, names: tuple[str, str]) -> tuple[str, ...] | None:
    """A unified diff of two texts, without line ends, which do not count.

    Returns:
        Its lines; None if one of the two is no text, or too long to compare.
    """
    if not is_text(old) or not is_text(new):
        return None
    before = unix_ends(old).decode().splitlines()
    after = unix_ends(new).decode().splitlines()
    if len(before) + len(after) > MOST_LINES:
        return None
    return tuple(difflib.unified_diff(before, after, *names, lineterm=""))
