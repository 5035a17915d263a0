"""Which files have not been written to since they were hashed.

A file whose stamp (device, inode, size, times of writing and of change) is as it was has
the hash that it had, with one exception: a file that was written to in the same tick of
the file system's clock as it was hashed may have been written to again. So a stamp counts
only if it is older than a moment before the hashing began, told by that same clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from sapwood.files.reading import NOT_FOLLOWED, read_whole

LARGEST = 256 << 20  # bytes of what is kept, more than 100,000 files take

Stamp: TypeAlias = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, times of the last write and change in nanoseconds.

Of content in a store, where nothing is written to twice: its digest in two halves, size, 0, 0.
"""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def stamp_of_name(name: str, size: int) -> Stamp:
    """The stamp of what is named by its content, so that it is never written to again.

    Args:
        name: that no other content has.
        size: of the content, bytes.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:16]), int.from_bytes(digest[16:]), size, 0, 0)


class Stamps:
    """Hashes by path and stamp, kept in a file that may be missing, stale or deleted.

    What does not fit is computed anew; errors with the file itself are passed over.
    """

    def __init__(self, path: Path, *, learns: bool = True) -> None:
        """Reads what is kept.

        Args:
            path: of the file.
            learns: whether `keep` may write. Else nothing is written at all, and what is
                not kept is computed each time.
        """
        self._learns = learns
        self._path = path
        self._as_of, self._known = read_kept(path)
        self._entries: dict[str, list[Any]] = {}
        self._begun: int | None = None
        self._marker = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        self._changed = False

    def hash_of(self, key: str, stamp: Stamp, compute: Callable[[], str]) -> str:
        """The hash of a file.

        Args:
            key: that tells the file from others.
            stamp: of it, from before it is read.
            compute: reads and hashes it.
        """
        kept = self._known.get(key)
        if kept is not None and tuple(kept[:5]) == stamp and max(stamp[3:]) < self._as_of:
            self._entries[key] = kept
            return str(kept[5])
        if not self._learns:
            return compute()
        if self._begun is None:
            self._begun = self._mark()
        found = compute()
        if max(stamp[3:]) < self._begun:
            self._entries[key] = [*stamp, found]
            self._changed = True
        return found

    def _mark(self) -> int:
        """The time by the file system's clock, in nanoseconds; 0 where it cannot be told."""
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED
            handle = os.open(self._marker, flags, 0o666)
            try:
                return os.fstat(handle).st_mtime_ns
            finally:
                os.close(handle)
        return 0

    def keep(self) -> None:
        """Writes what was learnt, unless it was nothing; forgets files that were not asked for."""
        with contextlib.suppress(OSError):
            if self._changed and self._begun:
                # Entries that were kept before are older than both moments, or not used again.
                value = {"as_of": self._begun, "files": self._entries}
                self._marker.write_text(json.dumps(value, separators=(",", ":")), "utf-8")
                self._marker.replace(self._path)
        self.drop()

    def drop(self) -> None:
        """Removes what `hash_of` may have left."""
        if self._begun is not None:
            with contextlib.suppress(OSError):
                self._marker.unlink(missing_ok=True)
            self._begun = None


def read_kept(path: Path) -> tuple[int, dict[str, list[Any]]]:
    """What is kept: the moment before the hashing began, and stamps and hashes by key."""
    try:
        value = json.loads(read_whole(path, LARGEST) or b"")
        as_of, files = value["as_of"], value["files"]
        fits = isinstance(as_of, int) and all(
            len(one) == 6 and isinstance(one[5], str) for one in files.values()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 0, {}
    return (as_of, files) if fits else (0, {})
