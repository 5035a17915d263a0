"""An update that merges notebooks: what is written, kept, recorded and told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sapwood.workspace import Action, Reason, State, UpdateRequest, Workspace
from support.cli_session import Session
from support.notebook_cells import DONE, book, cell, check_sound, edited, sources, written
from support.template_folders import own_files, user_files, write_files, write_template

SETUP = cell("import math\n")
STUB = cell("def add(a, b):\n    raise NotImplementedError\n", "solution", "tensor-add")
BETTER = cell(
    'def add(a, b):\n    """Sum."""\n    raise NotImplementedError\n', "solution", "tensor-add"
)
MINE = edited(STUB, "def add(a, b):\n    return a + b\n", outputs=DONE, execution_count=3)
TEST = cell("assert add(1, 1) == 3\n", "test", "test-add")
FIXED = cell("assert add(1, 1) == 2\n", "test", "test-add")
PATH = "modules/01_tensors/01_tensors.ipynb"
KERNEL: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
}


def notebook(*cells: dict[str, Any]) -> bytes:
    return written(book(*cells, **KERNEL))


OLD = notebook(SETUP, STUB, TEST)
OURS = notebook(SETUP, MINE, cell("add(1, 1)\n"), TEST)
NEW = notebook(cell("import math\nimport sys\n"), STUB, FIXED)
TOLD = notebook(SETUP, BETTER, FIXED)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A workspace of 1.0.0 in which somebody has worked, and three versions after it."""
    write_template(tmp_path / "1.0.0", "1.0.0", {PATH: OLD, "tests/a.ipynb": OLD})
    write_template(tmp_path / "1.1.0", "1.1.0", {PATH: NEW, "tests/a.ipynb": OLD})
    write_template(tmp_path / "1.2.0", "1.2.0", {PATH: TOLD, "tests/a.ipynb": TOLD})
    write_template(tmp_path / "broken", "1.3.0", {PATH: b"{", "tests/a.ipynb": TOLD})
    Workspace.init(tmp_path / "course", tmp_path / "1.0.0")
    write_files(tmp_path / "course", {PATH: OURS})
    return Session(tmp_path)


def test_a_protected_notebook_is_merged_and_the_users_is_in_the_backup(session: Session) -> None:
    workspace = Workspace.open(session / "course")
    (plan,) = workspace.plan_update(session / "1.1.0", UpdateRequest(merge=True)).updates
    assert (plan.path, plan.action, plan.otherwise) == (PATH, Action.MERGE, Action.KEEP)
    assert user_files(session / "course")[PATH] == OURS
    outcome = workspace.update(session / "1.1.0", UpdateRequest(merge=True))
    merged = user_files(session / "course")[PATH]
    assert sources(merged) == [
        "import math\nimport sys\n",
        "def add(a, b):\n    return a + b\n",
        "add(1, 1)\n",
        "assert add(1, 1) == 2\n",
    ]
    assert own_files(session / "course", f"backups/{outcome.backup}/files") == {PATH: OURS}
    assert (outcome.merges[PATH].data, outcome.merges[PATH].taken) == (merged, 2)
    assert (outcome.incoming, outcome.is_clean) == ({}, True)
    states = {one.path: one.state for one in workspace.status().files}
    assert states == {PATH: State.MODIFIED, "tests/a.ipynb": State.IDENTICAL}
    assert workspace.update(session / "1.1.0", UpdateRequest(merge=True)).merges == {}
    assert user_files(session / "course")[PATH] == merged


def test_the_next_merge_starts_from_what_this_one_took(session: Session) -> None:
    workspace = Workspace.open(session / "course")
    workspace.update(session / "1.1.0", UpdateRequest(merge=True))
    outcome = workspace.update(session / "1.2.0", UpdateRequest(merge=True))
    found = user_files(session / "course")[PATH]
    assert sources(found)[0] == "import math\n"  # taken back by the template
    assert [(one.cell, one.reason) for one in outcome.merges[PATH].reports] == [
        ("tensor-add", Reason.BOTH)
    ]
    assert outcome.incoming == {PATH: f".course/incoming/1.2.0/{PATH}"}
    assert (session / "course" / outcome.incoming[PATH]).read_bytes() == TOLD
    assert not outcome.is_clean
    check_sound(found)


def test_without_being_asked_nothing_is_merged(session: Session) -> None:
    outcome = Workspace.open(session / "course").update(session / "1.1.0")
    assert user_files(session / "course")[PATH] == OURS
    assert outcome.merges == {}


def test_a_notebook_that_was_only_run_is_updated_and_not_merged(session: Session) -> None:
    run = notebook(SETUP, {**STUB, "outputs": DONE, "execution_count": 3}, TEST)
    write_files(session / "course", {"tests/a.ipynb": run})
    outcome = Workspace.open(session / "course").update(
        session / "1.2.0", UpdateRequest(merge=True)
    )
    assert user_files(session / "course")["tests/a.ipynb"] == TOLD
    assert set(outcome.merges) == {PATH}


@pytest.mark.parametrize("folder", ["tests", "modules"])
def test_a_renamed_notebook_is_merged_under_its_new_name(tmp_path: Path, folder: str) -> None:
    old, new = f"{folder}/old.ipynb", f"{folder}/new.ipynb"
    renames = f'[[migrations]]\nversion = "1.1.0"\nrenames = [{{ from = "{old}", to = "{new}" }}]\n'
    write_template(tmp_path / "1", "1.0.0", {old: OLD})
    write_template(tmp_path / "2", "1.1.0", {new: NEW}, more=renames)
    workspace, _ = Workspace.init(tmp_path / "course", tmp_path / "1")
    write_files(tmp_path / "course", {old: OURS})
    outcome = workspace.update(tmp_path / "2", UpdateRequest(merge=True))
    files = user_files(tmp_path / "course")
    assert (set(files), sources(files[new])[1:3]) == ({new}, sources(OURS)[1:3])
    assert own_files(tmp_path / "course", f"backups/{outcome.backup}/files") == {old: OURS}


@pytest.mark.parametrize(
    "broken",
    [b"{", b'{"nbformat": 3}', OURS.replace(b'"nbformat": 4', b'"nbformat": 4, "nbformat": 4')],
    ids=["no notebook", "another format", "a key twice"],
)
@pytest.mark.parametrize("path", [PATH, "tests/a.ipynb"])
def test_an_unreadable_notebook_is_treated_as_ever(
    session: Session, path: str, broken: bytes
) -> None:
    write_files(session / "course", {path: broken})
    plain, merging = (Session(session / name) for name in ("plain", "merging"))
    for one in (plain, merging):
        shutil.copytree(session / "course", one.folder)
    without = Workspace.open(plain.folder).update(session / "1.2.0")
    outcome = Workspace.open(merging.folder).update(session / "1.2.0", UpdateRequest(merge=True))
    assert user_files(merging.folder)[path] == broken
    change = next(one for one in outcome.plan.changes if one.path == path)
    before = next(one for one in without.plan.changes if one.path == path)
    assert (change.action, before.unmerged) == (before.action, None)
    assert change.unmerged is not None
    assert outcome.incoming.get(path) == without.incoming.get(path)
    assert path not in outcome.merges


def test_an_unreadable_notebook_of_the_template_is_told(session: Session) -> None:
    command = "workspace update broken --folder course --merge"
    assert b"   cannot be merged: it cannot be read as a notebook\n" in (
        session.run(f"{command} --dry-run").stdout
    )
    printed = session.succeed(command).decode()
    assert "   not merged: it cannot be read as a notebook\n" in printed
    assert user_files(session / "course")[PATH] == OURS


def test_what_was_installed_is_lost(session: Session) -> None:
    for blob in (session / "course/.course/base").rglob("*.zst"):
        blob.write_bytes(b"damaged")
    done = session.json("workspace update 1.2.0 --folder course --merge")
    (change,) = (one for one in done["changes"] if one["path"] == PATH)
    assert change["action"] == "keep"
    assert "missing or damaged" in change["unmerged"]
    assert user_files(session / "course")[PATH] == OURS


def test_what_was_installed_is_kept_anew_where_the_template_has_it(session: Session) -> None:
    workspace = Workspace.open(session / "course")
    shutil.rmtree(session / "course/.course/base")
    assert workspace.update(session / "1.0.0").plan.updates == ()
    assert set(workspace.update(session / "1.1.0", UpdateRequest(merge=True)).merges) == {PATH}


def test_replace_and_merge_together(session: Session) -> None:
    broken = b"not a notebook\n"
    write_files(session / "course", {"tests/a.ipynb": broken})
    outcome = Workspace.open(session / "course").update(
        session / "1.2.0", UpdateRequest(merge=True, replace=True)
    )
    assert set(outcome.merges) == {PATH}
    files = user_files(session / "course")
    assert files["tests/a.ipynb"] == TOLD
    backed_up = own_files(session / "course", f"backups/{outcome.backup}/files")
    assert backed_up == {PATH: OURS, "tests/a.ipynb": broken}


def test_the_command(session: Session) -> None:
    command = "workspace update 1.2.0 --folder course --merge"
    dry = session.run(f"{command} --dry-run")
    assert (dry.returncode, f"would merge {PATH}\n" in dry.stdout.decode()) == (20, True)
    check = session.run(f"{command} --check").stdout.decode()
    assert f"Run 'sapwood {command}' to apply" in check
    done = session.run(command)
    assert done.returncode == 21
    assert done.stdout.decode().splitlines()[:4] == [
        "Updated tests/a.ipynb",
        f"Merged {PATH}: 2 cells from the template, 1 conflict in cell 'tensor-add'",
        "   tensor-add: both changed it",
        f"The template's is in .course/incoming/1.2.0/{PATH}",
    ]


def test_who_does_not_merge_is_told_what_waits_and_how(session: Session) -> None:
    merge = "sapwood workspace update 1.2.0 --folder course --merge"
    waits = ["Notebooks that both you and the template changed:", f"   {PATH}"]
    done = session.run("workspace update 1.2.0 --folder course --check")
    shown = done.stdout.decode().splitlines()
    assert (done.returncode, shown[1:5]) == (
        20,
        ["Available updates:", "   tests/a.ipynb", *waits],
    )
    assert shown[-1] == f"Run '{merge}' to merge notebooks by cell."
    updated = session.succeed("workspace update 1.2.0 --folder course").decode().splitlines()
    assert f"To merge notebooks by cell, with what you wrote: {merge}" in updated
    again = session.succeed("workspace update 1.2.0 --folder course --check").decode()
    assert again.splitlines()[1:] == [*waits, "Nothing to update", shown[-1]]
    done = session.run("workspace update 1.2.0 --folder course --merge --check")
    assert "Notebooks that both" not in done.stdout.decode()


def test_the_command_for_programs(session: Session) -> None:
    cheat = notebook(SETUP, MINE, edited(TEST, "pass\n"))
    write_files(session / "course", {PATH: cheat})
    done = session.json("workspace update 1.2.0 --folder course --merge", code=21)
    assert done["merges"] == [
        {
            "path": PATH,
            "taken": 2,
            "conflicts": 1,
            "cells": [
                {"cell": "tensor-add", "reason": "both changed it", "conflict": True},
                {"cell": "test-add", "reason": "locked, the template's again", "conflict": False},
            ],
        }
    ]
    assert done["incoming"] == {PATH: f".course/incoming/1.2.0/{PATH}"}


def test_nbgrader_finds_nothing_changed_in_a_merged_notebook(session: Session) -> None:
    cheat = notebook(SETUP, MINE, cell("add(1, 1)\n"), edited(TEST, "assert True\n"))
    path = write_files(session / "course", {PATH: cheat}) / PATH
    Workspace.open(session / "course").update(session / "1.1.0", UpdateRequest(merge=True))
    nbformat.validate(json.loads(path.read_bytes()))
    before = path.with_name("before.ipynb")
    before.write_bytes(cheat)
    command = [sys.executable, "-m", "nbgrader", "validate", before.name, path.name]
    done = subprocess.run(command, cwd=path.parent, check=True, capture_output=True, text=True)
    told, _, rest = done.stdout.partition("Success!")
    assert "THE CONTENTS OF 1 TEST CELL(S) HAVE CHANGED!" in told
    assert rest == " Your notebook passes all the tests.\n"
