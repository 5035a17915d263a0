"""Killed, out of space or without permission at any call: nothing is lost, all is finished.

An update that replaces, adds, removes, renames, merges, lays beside and brings back files is
ended at each call of the operating system in turn. Whatever bytes were there before are
then in the workspace or in a backup, the record can be read, and the next run comes to
what an update comes to that nobody disturbs.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sapwood.errors import IoError, WorkspaceBusy
from sapwood.workspace import UpdateRequest, Workspace
from sapwood.workspace.notebooks.merging import merge_notebook
from support.chosen_calls import STEP, chosen, numbers
from support.failing_calls import (
    CHANGING,
    FILLING,
    KILLING,
    LOOKING,
    calls_of,
    failing_at,
    killed_at,
    telling_calls,
)
from support.notebook_cells import sources
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)

OLD: dict[str, str | bytes] = {
    "tests/test_a.py": "a, first\n",
    "tests/test_b.py": "b, first\n",
    "tests/gone.py": "gone, first\n",
    "milestones/old_name.py": "renamed, first\n",
    "modules/kept.py": "kept, first\n",
    "modules/m.ipynb": notebook("x = 1\n", "y = 1\n"),
    "generated/index.md": "index, first\n",
}
NEW: dict[str, str | bytes] = {
    "tests/test_a.py": "a, second\n",
    "tests/test_b.py": "b, second\n",
    "tests/added/test_c.py": "c\n",
    "milestones/new_name.py": "renamed, second\n",
    "modules/kept.py": "kept, second\n",
    "modules/m.ipynb": notebook("x = 2\n", "y = 2\n"),
    "generated/index.md": "index, second\n",
}
RENAMES = """
[[migrations]]
version = "1.1.0"
renames = [{ from = "milestones/old_name.py", to = "milestones/new_name.py" }]
"""
MINE: dict[str, str | bytes] = {
    "tests/test_b.py": "b, first, and mine\n",
    "modules/kept.py": "kept, first, and mine\n",
    "modules/m.ipynb": notebook("x = 1\n", "y = 1 + 2\n", "mine = True\n", outputs=True),
    "generated/index.md": "index, mine\n",
    "notes/🌱.md": "nothing of the template's\n",
}


@pytest.fixture(scope="module", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """What `fsync` adds no kill can show, and it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 1.0.0 in which the user has worked, and the template 1.1.0."""
    folder = tmp_path_factory.mktemp("crash")
    write_template(folder / "old", "1.0.0", OLD)
    write_template(folder / "new", "1.1.0", NEW, more=RENAMES)
    Workspace.init(folder / "start", folder / "old", clock=Clock())
    write_files(folder / "start", MINE)
    return folder


def update(start: Path, root: Path) -> None:
    Workspace.open(root, clock=Clock("2025-02-01T00:00:00Z")).update(
        start / "new", UpdateRequest(merge=True)
    )


def begin(start: Path, root: Path) -> None:
    Workspace.init(root, start / "old", clock=Clock())


def copied(start: Path, root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(start / "start", root, symlinks=True)
    return root


def result(root: Path) -> dict[str, object]:
    """What an update comes to: files, record, what lies beside, and that nothing is left over."""
    record = Workspace.open(root).record()
    return {
        "files": user_files(root),
        "record": {path: entry.identity for path, entry in record.files.items()},
        "version": record.template_version,
        "incoming": own_files(root, "incoming"),
        "blobs": sorted(own_files(root, "base")),
        "own": {one.name for one in (root / ".course").iterdir()} - {"stamps.json", "backups"},
    }


def kept(root: Path) -> set[bytes]:
    """All bytes that the user can get at."""
    backups = own_files(root, "backups")
    return {
        *user_files(root).values(),
        *(one for path, one in backups.items() if "/files/" in path),
    }


@pytest.fixture(scope="module")
def expected(start: Path) -> dict[str, object]:
    root = copied(start, start / "undisturbed")
    update(start, root)
    return result(root)


def check(start: Path, root: Path, expected: dict[str, object], where: str) -> None:
    before = set(user_files(start / "start").values())
    assert before <= kept(root), where
    Workspace.open(root).record()
    update(start, root)
    assert before <= kept(root), where
    assert result(root) == expected, where


def test_the_update_does_what_the_crashes_are_to_interrupt(expected: dict[str, object]) -> None:
    books = [files["modules/m.ipynb"] for files in (OLD, MINE, NEW)]
    merged = merge_notebook(*(one for one in books if isinstance(one, bytes)))
    assert sources(merged.data) == ["x = 2\n", "y = 1 + 2\n", "mine = True\n"]
    assert expected["files"] == {
        "generated/index.md": b"index, second\n",
        "milestones/new_name.py": b"renamed, second\n",
        "modules/kept.py": b"kept, first, and mine\n",
        "modules/m.ipynb": merged.data,
        "notes/🌱.md": b"nothing of the template's\n",
        "tests/added/test_c.py": b"c\n",
        "tests/test_a.py": b"a, second\n",
        "tests/test_b.py": b"b, first, and mine\n",
    }
    assert expected["incoming"] == {
        "1.1.0/modules/m.ipynb": NEW["modules/m.ipynb"],
        "1.1.0/tests/test_b.py": b"b, second\n",
    }
    assert expected["own"] == {"base", "incoming", "lock", "version.json"}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_call(start: Path, tmp_path: Path, expected: dict[str, object]) -> None:
    root = tmp_path / "course"
    copied(start, root)
    count = calls_of(partial(update, start, root), KILLING)
    assert count > 100
    for at in numbers(count):
        copied(start, root)
        assert killed_at(partial(update, start, root), at)
        check(start, root, expected, f"killed at call {at}")
    assert not killed_at(partial(update, start, copied(start, root)), count + 1)


@pytest.mark.parametrize(
    ("error", "names", "on"),
    [
        (errno.ENOSPC, CHANGING, False),
        (errno.ENOSPC, FILLING, True),
        (errno.EACCES, (*CHANGING, *LOOKING), False),
        (errno.EACCES, CHANGING, True),
    ],
    ids=["no room once", "a full disk", "no permission once", "no permission any more"],
)
def test_refused_at_every_call(
    error: int,
    names: tuple[str, ...],
    on: bool,
    start: Path,
    tmp_path: Path,
    expected: dict[str, object],
) -> None:
    root = tmp_path / "course"
    copied(start, root)
    calls = telling_calls(partial(update, start, root), names)
    copied(start, root)
    refused, begun = 0, everything(root)
    checked = {begun}
    check(start, root, expected, "not begun")
    for at in chosen(calls):
        # Most calls that are refused leave all as it was: what comes next depends on that alone.
        if everything(root) != begun:
            copied(start, root)
        with failing_at(at, error, names, on=on):
            refused += refuses(partial(update, start, root))
        if everything(root) not in checked:
            checked.add(everything(root))
            check(start, root, expected, f"refused at call {at}")
    assert refused > len(calls) // 2 // STEP
    assert len(checked) > (10 if STEP == 1 else 3)


def everything(root: Path) -> frozenset[tuple[str, bytes, int]]:
    """All files with their modes, but for hashes that may be deleted at any time."""
    files = (one for one in root.rglob("*") if one.is_file() and "stamps.json" not in one.name)
    found = ((one, one.relative_to(root).as_posix()) for one in files)
    return frozenset((path, file.read_bytes(), file.stat().st_mode) for file, path in found)


def refuses(operation: Callable[[], None]) -> bool:
    """Whether an operation ends in an error, which must be ours."""
    try:
        operation()
    except (IoError, WorkspaceBusy):
        return True
    return False


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_workspace_that_was_not_made_to_the_end_is_made(start: Path, tmp_path: Path) -> None:
    root = tmp_path / "course"
    begin(start, tmp_path / "whole")
    expected = result(tmp_path / "whole")
    count = calls_of(partial(begin, start, root), KILLING)
    for at in numbers(count):
        shutil.rmtree(root)
        write_files(root, {"tests/test_a.py": "there before\n"})
        killed_at(partial(begin, start, root), at)
        assert b"there before\n" in kept(root)
        if (root / ".course/version.json").exists():
            Workspace.open(root).update(start / "old", UpdateRequest(replace=True))
        else:
            begin(start, root)
            Workspace.open(root).update(start / "old", UpdateRequest(replace=True))
        assert b"there before\n" in kept(root)
        found = result(root)
        assert found["files"] == expected["files"], at
        assert found["record"] == expected["record"], at


MODULES = """
[[modules]]
name = "05_autograd"
"""
NOTEBOOK, HINT, CHECK = (
    "modules/05_autograd/05_autograd.ipynb",
    "modules/05_autograd/hint.md",
    "tests/05_autograd/test_a.py",
)
MINE_TOO = "modules/05_autograd/mine.py"


@pytest.mark.parametrize(
    "module", [Workspace.reset, partial(Workspace.update, request=UpdateRequest("5"))]
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_module_is_reset_or_updated_whenever_it_is_killed(
    module: Callable[..., object], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    paths = (HINT, CHECK, "modules/06_b/06_b.py", "tests/06_b/test_b.py")
    first, second = (
        {NOTEBOOK: notebook(f"x = {number}\n"), **dict.fromkeys(paths, b"%d\n" % number)}
        for number in (1, 2)
    )
    write_template(old, "1.0.0", first, more=MODULES)
    write_template(new, "1.1.0", second, more=MODULES)
    start, root = tmp_path / "start", tmp_path / "course"
    Workspace.init(start, old, clock=Clock())
    write_files(start, dict.fromkeys(("modules/06_b/06_b.py", MINE_TOO), "mine\n"))
    write_files(start, {NOTEBOOK: notebook("mine = 1\n", outputs=True)})
    (start / HINT).unlink()
    before = set(user_files(start).values())

    def change() -> None:
        words = {} if isinstance(module, partial) else {"module": "5"}
        module(Workspace.open(root, clock=Clock("2025-02-01T00:00:00Z")), new, **words)

    def copy() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root)

    copy()
    count = calls_of(change, KILLING)
    expected = result(root)
    untouched = {one: data for one, data in user_files(start).items() if "06_b" in one}
    assert expected["files"] == {
        **untouched,
        **{path: second[path] for path in (NOTEBOOK, HINT, CHECK)},
        MINE_TOO: b"mine\n",
    }
    assert expected["version"] == "1.0.0"
    for at in numbers(count):
        copy()
        assert killed_at(change, at)
        assert before <= kept(root), at
        Workspace.open(root).record()
        change()
        assert before <= kept(root), at
        assert result(root) == expected, at
