"""A save between the last look at a file and its replacement is not lost."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.files import exchange
from sapwood.workspace import Workspace
from support.template_folders import Clock, own_files, user_files, write_files, write_template

OLD: dict[str, str | bytes] = {"tests/a.py": "a, first\n", "tests/gone.py": "gone\n"}
NEW: dict[str, str | bytes] = {"tests/a.py": "a, second\n", "tests/new.py": "new\n"}
SAVED = b"saved in the instant\n"


def written(path: Path) -> None:
    path.write_bytes(SAVED)


def renamed(path: Path) -> None:
    """As editors save that want old or new and nothing between."""
    beside = path.with_name("editor's")
    beside.write_bytes(SAVED)
    beside.replace(path)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    write_template(tmp_path / "old", "1.0.0", OLD)
    write_template(tmp_path / "new", "1.1.0", NEW)
    workspace, _ = Workspace.init(tmp_path / "mine", tmp_path / "old", clock=Clock())
    return workspace


def saving(
    monkeypatch: pytest.MonkeyPatch, name: str, save: Callable[[Path], None], after: int = 0
) -> None:
    """Saves a file right before the system renames it, or renames to it."""
    rename, replace = exchange.rename_with, os.replace
    left = [after]

    def saved(source: Path, path: Path) -> None:
        if name in {source.name, path.name} and left[0] >= 0:
            left[0] -= 1
            if left[0] < 0:
                save(path if path.name == name else source)

    def rename_with(source: Path, path: Path, flag: int) -> bool:
        saved(source, path)
        return rename(source, path, flag)

    def plain(source: Path, path: Path) -> None:
        saved(source, path)
        replace(source, path)

    monkeypatch.setattr(exchange, "rename_with", rename_with)
    monkeypatch.setattr(os, "replace", plain)


@pytest.mark.parametrize("save", [written, renamed])
@pytest.mark.parametrize("name", ["a.py", "gone.py", "new.py"])
def test_what_is_saved_in_the_instant_stays(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    save: Callable[[Path], None],
) -> None:
    with monkeypatch.context() as patch:
        saving(patch, name, save)
        outcome = workspace.update(tmp_path / "new")
    assert outcome.missed == (f"tests/{name}",)
    assert user_files(workspace.root)[f"tests/{name}"] == SAVED
    if name != "gone.py":  # of which the template has no other
        laid = own_files(workspace.root, "incoming/1.1.0")
        assert laid == {f"tests/{name}": str(NEW[f"tests/{name}"]).encode()}
    again = workspace.update(tmp_path / "new")
    assert user_files(workspace.root)[f"tests/{name}"] == SAVED
    assert again.missed == ()


def test_a_file_that_is_deleted_in_the_instant_stays_deleted(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        saving(patch, "a.py", Path.unlink)
        assert workspace.update(tmp_path / "new").missed == ("tests/a.py",)
    assert "tests/a.py" not in user_files(workspace.root)


@pytest.mark.parametrize("name", ["a.py", "gone.py"])
def test_a_kill_between_the_exchange_and_the_look_at_it_loses_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    child = os.fork()
    if child == 0:

        def killing(path: Path) -> None:
            written(path)
            # The next thing done is to hash what was displaced.
            monkeypatch.setattr(
                exchange, "raw_hash", lambda stripes: os.kill(os.getpid(), signal.SIGKILL)
            )

        saving(monkeypatch, name, killing)
        workspace.update(tmp_path / "new")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert user_files(workspace.root).get(f"tests/{name}") != SAVED  # it was displaced
    outcome = workspace.update(tmp_path / "new")
    assert outcome.recovered
    assert user_files(workspace.root)[f"tests/{name}"] == SAVED


def test_without_such_a_rename_files_are_replaced_as_ever(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "system_rename", lambda: None)
    write_files(workspace.root, {"tests/mine.py": "mine\n"})
    assert workspace.update(tmp_path / "new").missed == ()
    files = {name: str(text).encode() for name, text in NEW.items()}
    assert user_files(workspace.root) == {**files, "tests/mine.py": b"mine\n"}


def test_a_file_system_without_it_is_told_from_one_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answering(error: int) -> Callable[[], Callable[[bytes, bytes, int], int]]:
        def rename(source: bytes, path: bytes, flag: int) -> int:
            ctypes.set_errno(error)
            return -1

        return lambda: rename

    write_files(tmp_path, {"a": "a", "b": "b"})
    monkeypatch.setattr(exchange, "system_rename", answering(errno.EINVAL))
    assert not exchange.rename_with(tmp_path / "a", tmp_path / "b", exchange.EXCHANGE)
    assert exchange.take_place(tmp_path / "a", tmp_path / "c", None)
    assert not exchange.take_place(tmp_path / "c", tmp_path / "b", None)
    monkeypatch.setattr(exchange, "system_rename", answering(errno.EACCES))
    with pytest.raises(PermissionError):
        exchange.rename_with(tmp_path / "c", tmp_path / "b", exchange.EXCHANGE)
    assert (tmp_path / "c").read_text() == "a"
