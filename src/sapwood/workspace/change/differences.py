"""How a file of the user's differs from the template's, for people to read."""

from __future__ import annotations

import os
from pathlib import Path

from sapwood.workspace.change.planning import Change
from sapwood.workspace.change.results import Difference
from sapwood.workspace.change.texts import shown_text, unified_lines
from sapwood.workspace.disk.canonical import (
    LARGEST,
)
from sapwood.workspace.disk.durable import read_whole
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.template.template import Template


def difference_of(change: Change, root: Path, template: Template) -> Difference:
    """How a file on disk differs from the template's.

    Args:
        change: that a reset would make.
        root: of the workspace.
        template: that it is from.

    Raises:
        InvalidTemplate, OSError: something cannot be read.
    """
    known = change.old_path
    mine: bytes | None = b""
    if isinstance(Disk(root).status(known), os.stat_result):
        mine = read_whole(root / known, LARGEST)
    file = template.files[change.path]
    if mine is None or file.only is not None or file.size > LARGEST:
        return Difference(change.path, change.state, None)
    names = f"{known} (yours)", f"{change.path} ({template.version})"
    old, new = shown_text(mine, known), shown_text(file.read(), change.path)
    return Difference(change.path, change.state, unified_lines(old, new, names))
