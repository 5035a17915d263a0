"""A backup that is put back, killed or refused at any call: nothing is lost, all is finished."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sapwood.errors import InvalidWorkspace, IoError, WorkspaceBusy
from sapwood.workspace import UpdateRequest, Workspace
from support.chosen_calls import STEP, numbers
from support.failing_calls import (
    CHANGING,
    FILLING,
    KILLING,
    LOOKING,
    calls_of,
    failing_at,
    killed_at,
)
from support.template_folders import Clock, own_files, user_files, write_files, write_template

OLD: dict[str, str | bytes] = {
    "tests/deep/a.py": "a, first\n",
    "tests/b.py": "b, first\n",
    "tests/gone/c.py": "c, first\n",
}
NEW: dict[str, str | bytes] = {"tests/deep/a.py": "a, second\n", "tests/b.py": "b, second\n"}
MINE: dict[str, str | bytes] = {"tests/deep/a.py": "a, mine\n"}
SINCE: dict[str, str | bytes] = {"tests/b.py": "b, mine since\n"}


@pytest.fixture(scope="module", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """What `fsync` adds no kill can show, and it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was updated, with a backup of what the user wrote, and worked in since."""
    folder = tmp_path_factory.mktemp("restore")
    write_template(folder / "old", "1.0.0", OLD)
    write_template(folder / "new", "1.1.0", NEW)
    workspace, _ = Workspace.init(folder / "start", folder / "old", clock=Clock())
    write_files(workspace.root, MINE)
    workspace.update(folder / "new", UpdateRequest(replace=True))
    write_files(workspace.root, SINCE)
    return folder / "start"


def copied(start: Path, root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    return Path(shutil.copytree(start, root))


def restore(root: Path) -> None:
    """Puts the first backup back."""
    workspace = Workspace.open(root, clock=Clock("2025-02-01T00:00:00Z"))
    workspace.restore(workspace.backups()[0].name)


def kept(root: Path) -> set[bytes]:
    """All bytes that the user can get at."""
    backups = own_files(root, "backups")
    return {
        *user_files(root).values(),
        *(one for path, one in backups.items() if "/files/" in path),
    }


def check(start: Path, root: Path, where: str) -> None:
    """That all is there, and that another try comes to what an undisturbed one comes to."""
    assert kept(start) <= kept(root), where
    Workspace.open(root).record()
    restore(root)
    assert kept(start) <= kept(root), where
    assert user_files(root) == {
        "tests/b.py": b"b, first\n",
        "tests/deep/a.py": b"a, mine\n",
        "tests/gone/c.py": b"c, first\n",
    }, where
    own = {one.name for one in (root / ".course").iterdir()} - {"stamps.json"}
    assert own == {"backups", "base", "lock", "version.json"}, where


def refuses(root: Path) -> bool:
    """Whether it ends in an error, which must be ours, and blame nothing that is whole."""
    blamed = ""
    try:
        restore(root)
    except InvalidWorkspace as e:
        blamed = str(e)
    except (IoError, WorkspaceBusy):
        return True
    assert blamed == "" or "something unreadable is in the way" in blamed
    return blamed != ""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_call(start: Path, tmp_path: Path) -> None:
    root = copied(start, tmp_path / "course")
    count = calls_of(partial(restore, root), KILLING)
    assert count > 30
    for at in numbers(count):
        assert killed_at(partial(restore, copied(start, root)), at)
        check(start, root, f"killed at call {at}")


@pytest.mark.parametrize(
    ("error", "names", "on"),
    [(errno.ENOSPC, FILLING, True), (errno.EACCES, (*CHANGING, *LOOKING), False)],
    ids=["a full disk", "no permission"],
)
def test_refused_at_every_call(
    error: int, names: tuple[str, ...], on: bool, start: Path, tmp_path: Path
) -> None:
    root = copied(start, tmp_path / "course")
    count = calls_of(partial(restore, root), names)
    refused = 0
    for at in numbers(count):
        copied(start, root)
        with failing_at(at, error, names, on=on):
            refused += refuses(root)
        check(start, root, f"refused at call {at}")
    assert refused > count // 2 // STEP
