"""How a file of the user's differs from the template's, for people to read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sapwood.errors import InputError
from sapwood.files.reading import read_whole
from sapwood.package import LARGEST_READ
from sapwood.workspace.change.lcs import MOST_PAIRS
from sapwood.workspace.change.planning import Change
from sapwood.workspace.change.results import Difference, UpdatePlan
from sapwood.workspace.change.texts import shown_text, unified_lines
from sapwood.workspace.course.template import Template
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.disk.states import State
from sapwood.workspace.record.places import path_below

# What both have, and differently.
DIFFERENT = frozenset({State.OUTDATED, State.MODIFIED, State.CONFLICT, State.COLLISION})


def differences_in(
    plan: UpdatePlan,
    root: Path,
    template: Template,
    paths: Sequence[str] | None,
    most_pairs: int = MOST_PAIRS,
) -> Iterator[Difference]:
    """How the files of a plan differ from the template's.

    Args:
        plan: plan of a reset, of which all that it would change counts; or of an update.
        root: folder of the workspace.
        template: template that the plan is from.
        paths: paths that are asked for, from the root or from the current folder; None for all.
        most_pairs: pairs of lines of a file that are compared at most.

    Raises:
        InputError: the template has no file of such a path.
        InvalidPackage, OSError: something cannot be read.
    """
    named = {path_below(root, one) for one in paths or ()}
    for path in sorted(named - template.files.keys()):
        raise InputError(f"{path!r:.200}: expected a file of the template")
    for change in plan.changes:
        differs = change.state in DIFFERENT
        if plan.module is not None:
            differs = change.is_update or change.unmade is not None
        if differs and (paths is None or change.path in named):
            yield _difference_of(change, root, template, most_pairs)


def _difference_of(change: Change, root: Path, template: Template, most_pairs: int) -> Difference:
    """How a file on disk differs from the template's.

    Args:
        change: change that the plan has for the file.
        root: folder of the workspace.
        template: template that the plan is from.
        most_pairs: pairs of lines that are compared at most.

    Raises:
        InvalidPackage, OSError: something cannot be read.
    """
    known = change.old_path
    mine: bytes | None = b""
    if isinstance(Disk(root).status(known), os.stat_result):
        mine = read_whole(root / known, LARGEST_READ)
    file = template.files[change.path]
    if mine is None or file.only is not None or file.size > LARGEST_READ:
        return Difference(change.path, change.state, None)
    names = f"{known} (yours)", f"{change.path} ({template.version})"
    old, new = shown_text(mine, known), shown_text(file.read(), change.path)
    lines = unified_lines(old, new, names, most_pairs)
    return Difference(change.path, change.state, lines)
