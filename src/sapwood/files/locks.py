"""One change of a workspace at a time. The system drops the lock of a program that was killed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sapwood.errors import WorkspaceBusy
from sapwood.files.durable import NOT_FOLLOWED, is_there

NAP = 0.05  # seconds between two looks at a lock that is waited for

if sys.platform == "win32":
    import msvcrt

    def take(handle: int) -> None:
        """Locks an open file, or raises OSError at once."""
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def take(handle: int) -> None:
        """Locks an open file, or raises OSError at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def check_unlocked(path: Path) -> None:
    """Sees whether somebody is changing the workspace, and makes no file for that.

    The lock is held for that instant; a change that begins in it is told to wait.

    Args:
        path: of the lock's file.

    Raises:
        WorkspaceBusy: somebody is.
    """
    if is_there(path):
        with locked(path):
            pass


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock while the block runs.

    Args:
        path: of the lock's file, which is made where it is not there, and stays.

    Raises:
        WorkspaceBusy: somebody else holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | NOT_FOLLOWED, 0o666)
    try:
        try:
            take(handle)
        except (BlockingIOError, PermissionError) as e:
            raise WorkspaceBusy(
                f"{path.parent.parent}: another program is changing this workspace; "
                "wait for it to end"
            ) from e
        yield
    finally:
        os.close(handle)  # which drops the lock


@contextlib.contextmanager
def locked_in_turn(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """As `locked`, but waits for whoever holds the lock, as long as that takes.

    Args:
        path: of the lock's file.
        waiting: is called once if somebody else holds it.
    """
    told = False
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(path))
                break
            except WorkspaceBusy:
                if not told:
                    waiting()
                told = True
            time.sleep(NAP)
        yield
