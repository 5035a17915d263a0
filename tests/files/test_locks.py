"""A lock is held by one, whatever name it is taken by, and goes with whoever held it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sapwood.errors import Busy, WorkspaceBusy
from sapwood.files.locks import check_free, exclusive, exclusive_in_turn, is_named, take_lock

pytestmark = pytest.mark.quick

BUSY = WorkspaceBusy("another one has it")


def test_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    check_free(lock, BUSY)
    assert not lock.exists()
    with exclusive(lock, BUSY):
        for _ in range(2):
            with pytest.raises(WorkspaceBusy, match="another one"), exclusive(lock, BUSY):
                pass
            with pytest.raises(WorkspaceBusy):
                check_free(lock, BUSY)
    assert lock.exists()
    check_free(lock, BUSY)


def test_the_lock_is_on_the_file_and_not_on_its_name(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive(lock, BUSY):
        (tmp_path / "other").hardlink_to(lock)
        handle = os.open(tmp_path / "other", os.O_RDONLY)
        with pytest.raises(Busy):
            take_lock(handle, Busy("held"))
    take_lock(handle, Busy("held"))
    os.close(handle)


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match="lock"), exclusive(tmp_path / "lock", BUSY):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_who_waits_comes_next(tmp_path: Path) -> None:
    lock, told, done = tmp_path / "lock", threading.Event(), threading.Event()

    def wait() -> None:
        with exclusive_in_turn(lock, told.set):
            done.set()

    with exclusive(lock, BUSY):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert told.wait(60)
        assert not done.is_set()
    waiting.join(60)
    assert done.is_set()


def test_an_open_file_may_have_lost_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    handle = os.open(path, os.O_RDONLY)
    assert is_named(path, handle)
    path.rename(tmp_path / "b")
    assert not is_named(path, handle)
    path.symlink_to("b")  # leads to it, and is not it
    assert not is_named(path, handle)
    os.close(handle)
