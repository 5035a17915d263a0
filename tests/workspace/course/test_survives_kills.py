"""A course that is changed and killed at any call: nothing is lost, and the next run finishes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sapwood.workspace import Workspace
from support.chosen_calls import numbers
from support.failing_calls import KILLING, calls_of, killed_at
from support.template_folders import Clock, own_files, user_files, write_files, write_template

FILES: dict[str, str | bytes] = {
    "modules/01_tensors/a.py": "1\n",
    "modules/02_losses/a.py": "2\n",
    "tests/03_layers.py": "3\n",
}
MODULES = """
[[modules]]
name = "01_tensors"
[[modules]]
name = "02_losses"
[[modules]]
name = "03_layers"
"""
EXTRA = "extra: [{from: x, to: modules/90_project, policy: update}]\n"
MINE: dict[str, str | bytes] = {"modules/01_tensors/a.py": "mine\n", "note.md": "note\n"}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # adds nothing that a kill can show
    write_template(tmp_path / "t", "1.0.0", FILES, more=MODULES)
    first, second = tmp_path / "first", tmp_path / "second"
    write_files(first, {"course.yml": f"modules: [tensors, losses]\n{EXTRA}", "x/a.py": "a\n"})
    write_files(second, {"course.yml": f"modules: [layers, tensors]\n{EXTRA}", "x/a.py": "b\n"})
    start, root = tmp_path / "start", tmp_path / "w"
    Workspace.init(start, tmp_path / "t", config=first, clock=Clock())
    write_files(start, MINE)

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root)

    def change() -> None:
        Workspace.open(root, clock=Clock()).update(tmp_path / "t", config=second)

    begin()
    count = calls_of(change, KILLING)
    assert count > 50
    expected, record = user_files(root), Workspace.open(root).record()
    whole = folders(root)
    assert expected == {
        "modules/02_tensors/a.py": b"mine\n",
        "modules/90_project/a.py": b"b\n",
        "note.md": b"note\n",
        "tests/01_layers.py": b"3\n",
    }
    for at in numbers(count):
        begin()
        before = set(user_files(root).values())
        assert killed_at(change, at)
        backups = {data for path, data in own_files(root, "backups").items() if "/files/" in path}
        assert before <= backups | set(user_files(root).values()), at
        change()
        assert user_files(root) == expected, at
        assert folders(root) == whole, at
        after = Workspace.open(root).record()
        assert (after.course, after.files) == (record.course, record.files), at


def folders(root: Path) -> set[str]:
    """The user's folders: those that files have left are not left behind."""
    found = (one.relative_to(root) for one in root.rglob("*") if one.is_dir())
    return {one.as_posix() for one in found if one.parts[0] != ".course"}
