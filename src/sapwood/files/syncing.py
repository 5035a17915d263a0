"""Makes what was written durable: it is there after a power cut too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sapwood.files.reading import NOT_FOLLOWED

SYNCED_AT_ONCE = 16  # files
# Past this many files one sync of everything is quicker than one each.
SYNC_ALL = 200


def sync_open(handle: int) -> None:
    """Makes what was written to an open file durable.

    Raises:
        OSError: the system refused.
    """
    os.fsync(handle)


def sync(paths: Sequence[Path]) -> None:
    """Makes files and folders durable.

    Raises:
        OSError: one is a link, or cannot be synced.
    """
    if len(paths) > SYNC_ALL and sys.platform == "linux":  # elsewhere it does not wait
        os.sync()
        return
    for path in paths:
        _sync_one(path)


def sync_below(folder: Path) -> None:
    """Makes what was written to a folder, and to those in it, durable.

    Raises:
        OSError: something in it is a link, or cannot be synced.
    """
    parents = list(os.walk(folder))
    files = [Path(parent, name) for parent, _, names in parents for name in names]
    # A file system commits what waits together: twenty times faster than one by one.
    with ThreadPoolExecutor(SYNCED_AT_ONCE, "sapwood-sync") as syncing:
        for _ in syncing.map(_sync_one, files):
            pass
    for parent, _, _ in parents:
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Makes durable which names were given and taken away in a folder, or where a link leads.

    Raises:
        OSError: it is no folder, or cannot be synced.
    """
    _sync_one(folder, os.O_DIRECTORY)


def rename(staged: Path, path: Path) -> None:
    """As `rename_durably`, but for the power cut: what is given a name can be made anew.

    Raises:
        OSError: the system refused; nothing was changed.
    """
    staged.replace(path)


def rename_durably(staged: Path, path: Path) -> None:
    """Gives a file, link or folder that was written and synced the name that it is to have.

    At any instant the name leads to the old one or the new one; when this returns, to the new
    one after a power cut too.

    Args:
        staged: the path that it has until then, on the same file system.
        path: the path that it is to have; for a folder, one where nothing is.

    Raises:
        OSError: the system refused. Where it only refused to sync, the name leads to the new one.
    """
    rename(staged, path)
    sync_folder(path.parent)


def _sync_one(path: Path, flags: int = NOT_FOLLOWED) -> None:
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        sync_open(handle)
    finally:
        os.close(handle)
