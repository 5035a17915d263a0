"""Restores, merges of one module and systems without an exchange of names, killed at every call."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.files import exchange
from sapwood.workspace import UpdateRequest, Workspace
from support.chosen_calls import numbers
from support.failing_calls import KILLING, calls_of, killed_at
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)

MODULES = '\n[[modules]]\nname = "01_a"\n\n[[modules]]\nname = "02_b"\n'
BOOK, HINT, TEST = "modules/02_b/02_b.ipynb", "modules/02_b/deep/hint.md", "tests/02_b/t.py"
OLD = {BOOK: notebook("x = 1\n", "y = 1\n"), HINT: b"hint 1\n", TEST: b"test 1\n"}
NEW = {BOOK: notebook("x = 2\n", "y = 1\n"), HINT: b"hint 2\n", TEST: b"test 2\n"}
MINE = {BOOK: notebook("x = 1\n", "y = 1 + 1\n"), HINT: b"mine\n", "modules/02_b/own.py": b"own\n"}


def merge(root: Path, folder: Path) -> None:
    opened(root).update(folder / "new", UpdateRequest("b", merge=True))


def turn(root: Path, folder: Path) -> None:
    opened(root).update(folder / "new", UpdateRequest(replace=True), config=folder / "course.yml")


def restore(root: Path, folder: Path) -> None:
    """What was there before the modules were turned round."""
    workspace = opened(root)
    (name,) = (one.name for one in workspace.backups() if one.label == "update")
    workspace.restore(name)


def opened(root: Path) -> Workspace:
    return Workspace.open(root, clock=Clock("2025-02-01T00:00:00Z"))


def state(root: Path) -> object:
    own = {one.name for one in (root / ".course").iterdir()} - {"stamps.json", "backups"}
    folders = {one.relative_to(root) for one in root.rglob("*") if one.is_dir()}
    record = Workspace.open(root).record()
    return (
        user_files(root),
        own,
        {one for one in folders if one.parts[0] != ".course"},
        (record.files, record.course, record.template_version),
    )


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("operation", "exchanging"), [(merge, True), (turn, False), (restore, True), (restore, False)]
)
def test_nothing_is_lost_and_the_next_run_finishes(
    operation: Callable[[Path, Path], None],
    exchanging: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # adds nothing that a kill can show
    if not exchanging:
        monkeypatch.setattr(exchange, "rename_with", lambda source, path, flag: False)
    write_template(tmp_path / "old", "1.0.0", {**OLD, "tests/01_a/t.py": "a\n"}, more=MODULES)
    write_template(tmp_path / "new", "1.1.0", {**NEW, "tests/01_a/t.py": "a\n"}, more=MODULES)
    write_files(tmp_path, {"course.yml": "modules: [b, a]\n"})
    start, root = tmp_path / "start", tmp_path / "course"
    Workspace.init(start, tmp_path / "old", clock=Clock())
    write_files(start, MINE)
    if operation is restore:
        turn(start, tmp_path)
        write_files(start, {TEST: b"later\n"})

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root)

    begin()
    count = calls_of(lambda: operation(root, tmp_path), KILLING)
    expected = state(root)
    before = set(user_files(start).values())
    for at in numbers(count):
        begin()
        assert killed_at(lambda: operation(root, tmp_path), at)
        assert before <= kept(root), at
        operation(root, tmp_path)
        assert before <= kept(root), at
        assert state(root) == expected, at


def kept(root: Path) -> set[bytes]:
    """What is in the workspace and in backups."""
    backups = own_files(root, "backups")
    return {*user_files(root).values(), *backups.values()}
