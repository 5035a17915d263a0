"""Makes what was written durable."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SYNCED_AT_ONCE = 16  # files


def sync_below(folder: Path) -> None:
    """Makes what was written to a folder, and to those in it, durable."""
    parents = list(os.walk(folder))
    files = [Path(parent, name) for parent, _, names in parents for name in names]
    # A file system commits what waits together: twenty times faster than one by one.
    with ThreadPoolExecutor(SYNCED_AT_ONCE, "sapwood-sync") as syncing:
        for _ in syncing.map(sync_file, files):
            pass
    for parent, _, _ in parents:
        sync_folder(Path(parent))


def sync_file(path: Path) -> None:
    """Makes what was written to a file durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes a rename in it durable."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
