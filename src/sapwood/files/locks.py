"""One process at a time: a lock that the system drops when whoever holds it ends, or is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sapwood.errors import Busy
from sapwood.files.paths import is_there
from sapwood.files.reading import NOT_FOLLOWED

NAP = 0.05  # seconds between two looks at a lock that is waited for


def take_lock(handle: int, busy: Busy) -> None:
    """Takes the lock of an open file or folder, to hold it until that is closed.

    It is a lock on the file itself (flock), whatever name leads to it.

    Args:
        handle: the system's handle of the file.
        busy: the error that is raised where another process has the lock.

    Raises:
        Busy: another process has it.
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise busy from e


def is_named(path: Path, handle: int) -> bool:
    """Whether an open file has a name still, itself and not by a link.

    Until a lock is taken, whoever has it may rename or remove the file.
    """
    try:
        now = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(now, os.fstat(handle))


@contextlib.contextmanager
def exclusive(path: Path, busy: Busy) -> Iterator[None]:
    """Holds the lock that is the file of a name while the block runs.

    Args:
        path: the path of the lock's file, which is made where it is not there, and stays.
        busy: the error that is raised where another process holds the lock.

    Raises:
        Busy: another process holds the lock.
        OSError: the file cannot be opened; a link is not followed.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | NOT_FOLLOWED, 0o666)
    try:
        take_lock(handle, busy)
        yield
    finally:
        os.close(handle)  # which drops the lock


def check_free(path: Path, busy: Busy) -> None:
    """Sees whether another process holds a lock, and makes no file for that.

    The lock is held for that instant; who wants it just then is told to wait.

    Raises:
        Busy, OSError: as `exclusive`.
    """
    if is_there(path):
        with exclusive(path, busy):
            pass


@contextlib.contextmanager
def exclusive_in_turn(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """As `exclusive`, but waits for whoever holds the lock, as long as that takes.

    Args:
        path: the path of the lock's file.
        waiting: what is called, once, if another process holds the lock.

    Raises:
        OSError: as `exclusive`.
    """
    told = False
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(exclusive(path, Busy(f"{path}: another process holds it")))
                break
            except Busy:
                if not told:
                    waiting()
                told = True
            time.sleep(NAP)
        yield
