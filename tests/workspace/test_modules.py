"""One module alone: what an update and a reset of it come to, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.errors import InputError
from sapwood.workspace import Action, Outcome, State, UpdateRequest, Workspace
from sapwood.workspace.change.texts import shown_text
from support.cli_session import PROGRAM, Session
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)
from support.typed_terminal import typed

MODULES = """
[[modules]]
name = "05_autograd"
title = "Autograd"
[[modules]]
name = "06_optimizers"
"""
HOME = "modules/05_autograd"
NAMES = ("untouched", "same", "mine", "both", "deleted", "ran.ipynb")
CHANGED = {"untouched", "both", "deleted", "taken", "added"}  # by 1.1.0

Operation = Callable[[Workspace, Path], Outcome]
OPERATIONS: dict[str, Operation] = {
    "update": lambda workspace, template: workspace.update(template, UpdateRequest("05")),
    "reset": lambda workspace, template: workspace.reset(template, "autograd"),
}


def contents(number: int) -> dict[str, str | bytes]:
    """The files of a version, of two modules alike and of none."""
    files: dict[str, str | bytes] = {"tests/all.py": f"{number}\n", "once/05_autograd": "1\n"}
    for name in ("05_autograd", "06_optimizers"):
        home = f"modules/{name}"
        files |= {f"{home}/{one}": f"{number if one in CHANGED else 1}\n" for one in NAMES}
        files[f"{home}/ran.ipynb"] = notebook("x = 1\n")
        files[f"tests/{name}/test_a.py"] = f"{number}\n"
        if number == 1:
            files[f"{home}/retired"] = "1\n"
        else:
            files |= {f"{home}/{one}": "2\n" for one in ("added", "taken")}
    return files


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_template(tmp_path / "new", "1.1.0", contents(2), more=MODULES)


@pytest.fixture
def course(tmp_path: Path, new: Path) -> Workspace:
    """A workspace of 1.0.0 whose user did the same in both modules."""
    old = write_template(tmp_path / "old", "1.0.0", contents(1), more=MODULES)
    workspace, _ = Workspace.init(tmp_path / "course", old, clock=Clock())
    for home in (HOME, "modules/06_optimizers"):
        mine = dict.fromkeys(("mine", "both", "taken", "own"), "mine\n")
        write_files(workspace.root / home, mine)
        write_files(workspace.root / home, {"ran.ipynb": notebook("x = 1\n", outputs=True)})
        (workspace.root / home / "deleted").unlink()
    write_files(workspace.root, {"once/05_autograd": "mine\n"})
    return workspace


def in_module(files: dict[str, bytes]) -> dict[str, str]:
    """Files of module 05 but the notebook, as texts without their line's end."""
    return {
        path.removeprefix(f"{HOME}/"): data.decode().removesuffix("\n")
        for path, data in files.items()
        if "05_autograd" in path and not path.endswith(".ipynb")
    }


UPDATED = {
    "untouched": "2",
    "same": "1",
    "mine": "mine",
    "both": "2",
    "deleted": "2",
    "taken": "2",
    "added": "2",
    "own": "mine",
    "retired": "1",
    "tests/05_autograd/test_a.py": "2",
    "once/05_autograd": "mine",
}
SAVED = {"untouched": "1", "both": "mine", "taken": "mine", "tests/05_autograd/test_a.py": "1"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_becomes_of_each_file(name: str, course: Workspace, new: Path) -> None:
    before, record = user_files(course.root), course.record()
    outcome = OPERATIONS[name](course, new)
    asked_back = {"mine": "1", "once/05_autograd": "1"} if name == "reset" else {}
    after = user_files(course.root)
    assert in_module(after) == {**UPDATED, **asked_back}
    assert after[f"{HOME}/ran.ipynb"] == before[f"{HOME}/ran.ipynb"]
    assert outcome.backup is not None
    assert outcome.backup.startswith("05_autograd_20250115_1030")
    saved = in_module(own_files(course.root, f"backups/{outcome.backup}/files"))
    assert saved == {**SAVED, **dict.fromkeys(asked_back, "mine")}
    # All else stays as it is, and so does what is recorded of it.
    assert {path: one for path, one in before.items() if "05_autograd" not in path} == {
        path: one for path, one in after.items() if "05_autograd" not in path
    }
    now = course.record()
    assert {path for path in now.files if now.files[path] != record.files.get(path)} == {
        path for path in contents(2) if "05_autograd" in path
    }
    assert (now.template_version, now.last_updated > record.last_updated) == ("1.0.0", True)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_second_time_changes_nothing(name: str, course: Workspace, new: Path) -> None:
    OPERATIONS[name](course, new)
    files, record = user_files(course.root), course.record()
    again = OPERATIONS[name](course, new)
    assert (again.plan.updates, again.plan.conflicts, again.backup) == ((), (), None)
    assert (user_files(course.root), course.record()) == (files, record)
    assert len(course.backups()) == 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_plan_says_so_and_changes_nothing(name: str, course: Workspace, new: Path) -> None:
    before = user_files(course.root), course.record()
    planned = {
        "update": lambda: course.plan_update(new, UpdateRequest("05")),
        "reset": lambda: course.plan_reset(new, "autograd"),
    }[name]()
    assert (user_files(course.root), course.record()) == before
    assert OPERATIONS[name](course, new).plan == planned
    assert planned.module is not None
    assert planned.module.name == "05_autograd"


def test_a_reset_is_undone_by_restoring_its_backup(course: Workspace, new: Path) -> None:
    before = user_files(course.root)
    outcome = course.reset(new, "05")
    assert outcome.backup is not None
    course.restore(outcome.backup)
    after = user_files(course.root)
    made = {f"{HOME}/deleted", f"{HOME}/added"}  # where nothing was
    assert {path: one for path, one in after.items() if path not in made} == before


def test_the_whole_is_updated_afterwards(course: Workspace, new: Path) -> None:
    course.reset(new, "05")
    assert course.plan_update(new).from_version == "1.0.0"
    outcome = course.update(new)
    assert {one.path for one in outcome.plan.updates} == {
        "modules/06_optimizers/added",
        "tests/06_optimizers/test_a.py",
        "tests/all.py",
    }
    assert course.record().template_version == "1.1.0"


def test_a_module_does_not_go_back_to_an_earlier_version(
    course: Workspace, new: Path, tmp_path: Path
) -> None:
    course.reset(new, "05")
    between = write_template(tmp_path / "between", "1.0.5", contents(1), more=MODULES)
    before = user_files(course.root)
    for operation in (
        lambda: course.update(between),
        lambda: course.plan_update(between, UpdateRequest("05")),
        lambda: course.reset(between, "05"),
    ):
        with pytest.raises(InputError, match=r"expected version 1\.1\.0 or later"):
            operation()
    assert user_files(course.root) == before
    course.update(between, UpdateRequest("06"))  # which is of 1.0.0
    course.reset(between, "05", allow_downgrade=True)
    assert in_module(user_files(course.root))["untouched"] == "1"
    assert course.update(between).plan.to_version == "1.0.5"


@pytest.mark.parametrize("word", ["7", "autogra", "", "05_autograd/..", "modules/05_autograd"])
def test_a_module_that_is_none(word: str, course: Workspace, new: Path) -> None:
    before = user_files(course.root)
    for operation in (
        lambda: course.reset(new, word),
        lambda: course.update(new, UpdateRequest(word)),
        lambda: course.differences(new, word),
    ):
        with pytest.raises(InputError, match="05_autograd, 06_optimizers"):
            operation()
    assert user_files(course.root) == before


def test_a_template_without_modules(course: Workspace, tmp_path: Path) -> None:
    plain = write_template(tmp_path / "plain", "1.1.0", contents(2))
    with pytest.raises(InputError, match="there are none"):
        course.reset(plain, "05")


def test_links_in_the_way_are_not_followed(course: Workspace, new: Path, tmp_path: Path) -> None:
    elsewhere = write_files(tmp_path / "elsewhere", {"untouched": "theirs\n"})
    file = course.root / HOME / "both"
    file.unlink()
    file.symlink_to(elsewhere / "untouched")
    outcome = course.reset(new, "05")
    assert [(one.path, one.state) for one in outcome.plan.conflicts] == [
        (f"{HOME}/both", State.BLOCKED)
    ]
    assert (file.is_symlink(), user_files(elsewhere)) == (True, {"untouched": b"theirs\n"})
    (course.root / HOME).rename(tmp_path / "moved")
    (course.root / HOME).symlink_to(elsewhere)
    plan = course.plan_reset(new, "05")
    protected = [one for one in plan.changes if one.path.startswith(HOME)]
    assert {one.action for one in protected} == {Action.SKIP}
    course.reset(new, "05")
    assert user_files(elsewhere) == {"untouched": b"theirs\n"}


def test_a_module_that_was_renamed_comes_along(course: Workspace, tmp_path: Path) -> None:
    moved = {path.replace("05_autograd", "07_autograd"): one for path, one in contents(2).items()}
    renames = ", ".join(
        f'{{ from = "{path}", to = "{path.replace("05_autograd", "07_autograd")}" }}'
        for path in contents(1)
        if "05_autograd" in path and path.replace("05_autograd", "07_autograd") in moved
    )
    more = f'[[migrations]]\nversion = "1.1.0"\nrenames = [{renames}]\n'
    template = write_template(
        tmp_path / "renamed", "1.1.0", moved, more=MODULES.replace("05_", "07_") + more
    )
    outcome = course.reset(template, "07")
    files = user_files(course.root)
    assert files["modules/07_autograd/both"] == b"2\n"
    assert f"{HOME}/both" not in files
    assert files[f"{HOME}/own"] == b"mine\n"
    assert outcome.backup is not None
    assert own_files(course.root, f"backups/{outcome.backup}/files")[f"{HOME}/both"] == b"mine\n"


def test_who_may_run_a_protected_file_follows_on_request(tmp_path: Path) -> None:
    path = f"{HOME}/run"
    old = write_template(tmp_path / "old", "1.0.0", {path: "1\n"}, more=MODULES)
    new = write_template(tmp_path / "new", "1.1.0", {path: "1\n"}, more=MODULES, executable=[path])
    workspace, _ = Workspace.init(tmp_path / "course", old)
    workspace.update(new)
    assert not (workspace.root / path).stat().st_mode & 0o100
    other = write_template(tmp_path / "other", "1.2.0", {path: "1\n"}, more=MODULES)
    workspace.update(other, UpdateRequest("05"))
    workspace.update(
        write_template(tmp_path / "last", "1.3.0", {path: "1\n"}, more=MODULES, executable=[path]),
        UpdateRequest("05"),
    )
    assert (workspace.root / path).stat().st_mode & 0o100


def test_differences_of_notebooks_are_those_of_their_cells(tmp_path: Path) -> None:
    path = f"{HOME}/05_autograd.ipynb"
    template = write_template(
        tmp_path / "old", "1.0.0", {path: notebook("x = 1\n", "y = 2\n")}, more=MODULES
    )
    workspace, _ = Workspace.init(tmp_path / "course", template)
    mine = notebook("x = 1\n", "y = 2\nz = '\x1b[31m'\n", "new = 1", outputs=True)
    write_files(workspace.root, {path: mine})
    (difference,) = workspace.differences(template, "05")
    assert (difference.path, difference.state) == (path, State.MODIFIED)
    assert difference.lines == (
        f"--- {path} (yours)",
        f"+++ {path} (1.0.0)",
        "@@ -3,7 +3,3 @@",
        " ",
        " # %% [code]",
        " y = 2",
        "-z = '\x1b[31m'",
        "-",
        "-# %% [code]",
        "-new = 1",
    )
    changes = workspace.line_changes(path)
    assert changes is not None
    assert (changes.added, changes.removed) == (4, 0)
    write_files(workspace.root, {path: b"\xff\x00"})
    (difference,) = workspace.differences(template, "05")
    assert difference.lines is None


@pytest.fixture
def session(course: Workspace, tmp_path: Path) -> Session:
    """The folder in which the workspace and its templates lie."""
    return Session(tmp_path)


def test_a_session_with_one_module(session: Session) -> None:
    reset = "workspace module reset new 05 --folder course"
    planned = session.json(f"{reset} --dry-run", code=20)
    assert (planned["module"], planned["applied"], planned["updates"]) == ("05_autograd", False, 8)
    shown = session.run("workspace module diff new 05 --folder course")
    assert (shown.returncode, shown.stderr) == (20, b"")
    assert f"--- {HOME}/mine (yours)\n+++ {HOME}/mine (1.1.0)\n@@ -1 +1 @@\n-mine\n+1\n" in (
        shown.stdout.decode()
    )
    found = session.json("workspace module diff new 05 --folder course", code=20)
    assert {one["path"] for one in found["differences"]} == {
        one["path"] for one in planned["changes"] if one["action"] in {"replace", "install"}
    }
    done = session.json(f"{reset} --yes")
    assert (done["updates"], done["applied"], done["missed"]) == (8, True, [])
    assert session.succeed(f"{reset} --yes") == (
        f"{HOME} is as in version 1.1.0: nothing to reset\n".encode()
    )
    assert session.succeed("workspace module diff new 05 --folder course") == b"05: no difference\n"
    backups = session.json("workspace backups list --folder course")["backups"]
    assert [one["label"] for one in backups] == ["05_autograd"]


def test_what_a_reset_says_of_several_folders_and_of_what_is_in_the_way(session: Session) -> None:
    file = session / "course" / HOME / "both"
    file.unlink()
    file.mkdir()
    done = session.run("workspace module reset new 05 --folder course --yes")
    backup = next((session / "course/.course/backups").iterdir()).name
    assert done.returncode == 21
    assert done.stdout.decode().splitlines() == [
        f"Skipped {HOME}/both: a folder is in the way",
        f"Backed up to .course/backups/{backup}/",
        f"Reset {HOME} and tests/05_autograd and once/05_autograd to version 1.1.0",
    ]
    again = session.run("workspace module reset new 05 --folder course --yes")
    assert (again.returncode, again.stdout.decode()) == (
        21,
        f"Skipped {HOME}/both: a folder is in the way\n",
    )


def test_a_question_about_many_files(session: Session) -> None:
    more: dict[str, str | bytes] = {f"{HOME}/more_{number}": "2\n" for number in range(9)}
    write_files(session / "new", more)
    command = ["workspace", "module", "reset", "new", "05", "--folder", "course"]
    answers = ["\x80 ist keine Zahl\n", "3\n"]
    code, shown = typed([*PROGRAM, *command], session.folder, answers)
    assert (code, "Expected a number from 1 to 3\n" in shown) == (1, True)
    heading = f"{HOME} and tests/05_autograd and once/05_autograd"
    assert shown.startswith(f"⚠️  This will reset {heading} to the latest template.\n\n")
    files = [line for line in shown.splitlines() if " file: " in line]
    assert [line.replace(f"{HOME}/", "") for line in files] == [
        *("New file: added", "Current file: both", "Missing file: deleted", "Current file: mine"),
        *(f"New file: more_{number}" for number in range(6)),
    ]
    assert "\nAnd 7 more files.\n\nOptions:\n" in shown


@pytest.mark.parametrize("depth", [10, *range(900, 1000, 3), 100_000])
def test_no_notebook_is_too_deep_to_be_shown(depth: int) -> None:
    value = b"[" * depth + b"]" * depth
    cell = b'{"cell_type": "code", "source": "x = 1", "metadata": {"tags": %b}}' % value
    book = b'{"nbformat": 4, "cells": [%b]}' % cell
    shown = shown_text(book, "m.ipynb")
    assert shown == book or shown.startswith(b"# %% [code] tags=[")


def test_what_an_update_of_a_module_says(session: Session) -> None:
    done = session.succeed("workspace update new --folder course --module 05").decode()
    backup = next((session / "course/.course/backups").iterdir()).name
    assert done.splitlines() == [
        "Updated tests/05_autograd/test_a.py",
        f"Added {HOME}/added",
        f"Updated {HOME}/both",
        f"Added {HOME}/deleted",
        f"Skipped {HOME}/mine: you modified it, and the template did not",
        f"Skipped {HOME}/retired: no longer in the template",
        f"Updated {HOME}/taken",
        f"Updated {HOME}/untouched",
        f"Backed up to .course/backups/{backup}/",
    ]
    assert "05_autograd, 06_opt" in session.fail(
        "workspace update new --folder course --module x", 2
    )
    assert "--yes" in session.fail("workspace module reset new 05 --folder course", 2)
    assert "--yes" in session.fail("workspace module reset new 05 --folder course --quiet", 2)


def test_a_full_update_tells_once_of_each_module(session: Session) -> None:
    done = session.run("workspace update new --folder course").stdout.decode().splitlines()
    assert done[-4:] == [
        f"Skipped {HOME} (user modified)",
        "Skipped modules/06_optimizers (user modified)",
        "",
        "To reset a module to latest: sapwood workspace module reset new NN --folder course",
    ]
