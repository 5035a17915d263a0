"""The 64 cells of dpkg's matrix done on a disk: what a plan says is what an update does.

One workspace holds a file for each cell, named for what was recorded, is on disk and is new.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sapwood.workspace import Outcome, UpdateRequest, Workspace
from support.places import GOLDEN
from support.template_folders import own_files, user_files, write_files

TABLE = GOLDEN / "workspace_matrix.txt"
MANIFEST = """schema = 1
name = "course"
version = "{version}"
[[policies]]
pattern = "**"
policy = "{policy}"
deleted = "{deleted}"
"""
# Columns of the golden table: the policy, what becomes of deleted files, whether to replace.
COLUMNS = {
    "update": ("update", "keep", False),
    "restore": ("update", "restore", False),
    "--replace": ("update", "keep", True),
    "protect": ("protect", "keep", False),
    "once": ("once", "keep", False),
    "generated": ("generated", "keep", False),
    "weights": ("weights", "keep", False),
}


def cells(column: str) -> dict[str, str]:
    """The golden table: 'xyz' to what is done."""
    heading, *rows = TABLE.read_text().splitlines()
    at = heading.index(f"  {column} ") + 2
    return {row[0] + row[3] + row[6]: row[at : at + 13].strip() for row in rows}


def written(column: str, place: int) -> dict[str, str | bytes]:
    """The files of one side: 0 what was recorded, 1 what is on disk, 2 what is new."""
    return {f"f/{cell}": f"{cell[place]}\n" for cell in cells(column) if cell[place] != "-"}


def updated(folder: Path, column: str) -> tuple[Workspace, Outcome]:
    policy, deleted, replace = COLUMNS[column]
    for place, version in ((0, "1.0.0"), (2, "1.1.0")):
        manifest = MANIFEST.format(version=version, policy=policy, deleted=deleted)
        files = written(column, place) | {"sapwood-template.toml": manifest}
        write_files(folder / version, files)
    workspace, _ = Workspace.init(folder / "course", folder / "1.0.0")
    here = written(column, 1)
    for path in written(column, 0).keys() - here.keys():
        (workspace.root / path).unlink()
    write_files(workspace.root, here)
    return workspace, workspace.update(folder / "1.1.0", UpdateRequest(replace=replace))


@pytest.mark.parametrize("column", COLUMNS)
def test_each_cell_is_done_as_it_is_planned(column: str, tmp_path: Path) -> None:
    workspace, outcome = updated(tmp_path, column)
    after, record = user_files(workspace.root), workspace.record().files
    beside = own_files(workspace.root, "incoming/1.1.0")
    saved = own_files(workspace.root, f"backups/{outcome.backup}/files")
    known = {one.path: one.action.value for one in outcome.plan.changes}
    assert len(cells(column)) == 64
    for cell, action in cells(column).items():
        path, (old, here, new) = f"f/{cell}", (None if one == "-" else one for one in cell)
        assert known.get(path, "") == action, cell
        taken = action in {"install", "replace"}
        left = new if taken else None if action == "remove" else here
        assert after.get(path) == (left and f"{left}\n".encode()), cell
        assert beside.get(path) == (f"{new}\n".encode() if action == "lay beside" else None), cell
        # Of large files that nobody edited the next version is enough.
        spared = column == "weights" and here == old and action == "replace"
        loses = action in {"replace", "remove"} and not spared
        assert saved.get(path) == (f"{here}\n".encode() if loses else None), cell
        is_new = taken or action == "adopt"
        assert (path in record) is (is_new or (old is not None and action not in GONE)), cell
        if is_new:
            assert record[path].version == "1.1.0", cell


GONE = {"forget", "remove"}


@pytest.mark.parametrize("column", COLUMNS)
def test_whatever_was_there_is_there_or_in_a_backup(column: str, tmp_path: Path) -> None:
    workspace, outcome = updated(tmp_path, column)
    after = user_files(workspace.root)
    saved = own_files(workspace.root, f"backups/{outcome.backup}/files")
    installed = written(column, 0)
    for path, content in written(column, 1).items():
        if content != installed.get(path):
            assert str(content).encode() in {after.get(path), saved.get(path)}, path


@pytest.mark.parametrize("column", COLUMNS)
def test_a_second_time_nothing_is_done(column: str, tmp_path: Path) -> None:
    workspace, outcome = updated(tmp_path, column)
    before, record = user_files(workspace.root), workspace.record()
    again = workspace.update(tmp_path / "1.1.0", UpdateRequest(replace=COLUMNS[column][2]))
    assert (again.plan.updates, again.backup) == ((), None)
    assert (user_files(workspace.root), workspace.record().files) == (before, record.files)
    assert again.incoming == outcome.incoming
