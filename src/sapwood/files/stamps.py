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
from typing import TypeAlias

from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.errors import InputError
from sapwood.files.reading import read_whole
from sapwood.files.writing import write_new

LARGEST = 256 << 20  # bytes of what is kept, more than 100,000 files take

Stamp: TypeAlias = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, times of the last write and change in nanoseconds.

Of content in a store, where nothing is written to twice: its digest in two halves, size, 0, 0.
"""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def stamp_of_name(name: str, size: int) -> Stamp:
    """The stamp of what is named by its content, so that it is never written to again.

    Args:
        name: a name that no other content has.
        size: bytes of the content.
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
            path: the path of the file that keeps them.
            learns: whether `keep` may write. Else nothing is written at all, and what is
                not kept is computed each time.
        """
        self._learns = learns
        self._path = path
        self._as_of, self._known = _read_kept(path)
        self._entries: dict[str, str] = {}
        self._begun: int | None = None
        self._marker = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        self._changed = False

    def hash_of(self, key: str, stamp: Stamp, compute: Callable[[], str]) -> str:
        """The hash of a file.

        Args:
            key: the name that tells the file from others here.
            stamp: the file's stamp from before it is read.
            compute: reads and hashes the file.
        """
        begin = " ".join(map(str, stamp)) + " "
        kept = self._known.get(key, "")
        if kept.startswith(begin) and max(stamp[3:]) < self._as_of:
            self._entries[key] = kept
            return kept.removeprefix(begin)
        if not self._learns:
            return compute()
        if self._begun is None:
            self._begun = self._mark()
        found = compute()
        if max(stamp[3:]) < self._begun:
            self._entries[key] = begin + found
            self._changed = True
        return found

    def _mark(self) -> int:
        """The time by the file system's clock, in nanoseconds; 0 where it cannot be told."""
        with contextlib.suppress(OSError):
            write_new(self._marker, [])
            return self._marker.stat().st_mtime_ns
        return 0

    def keep(self) -> None:
        """Writes the hashes that are new, if any are; forgets files that were not asked for."""
        with contextlib.suppress(OSError):
            if self._changed and self._begun:
                # Entries that were kept before are older than both moments, or not used again.
                value = {"as_of": self._begun, "files": self._entries}
                self._marker.write_text(json.dumps(value, separators=(",", ":")), "utf-8")
                self._marker.replace(self._path)  # not synced: what is lost is computed again
        self.drop()

    def drop(self) -> None:
        """Removes what `hash_of` may have left."""
        if self._begun is not None:
            with contextlib.suppress(OSError):
                self._marker.unlink(missing_ok=True)
            self._begun = None


def _read_kept(path: Path) -> tuple[int, dict[str, str]]:
    """What is kept: the moment before the hashing began, and by key a stamp with its hash.

    Numbers of a stamp may have more than 64 bits, so they are kept as text.
    """
    try:
        value = parse(read_whole(path, LARGEST) or b"", path.name, InputError)
        fields = Fields(value, path.name, InputError)
        return fields.size("as_of"), fields.object("files").every_text()
    except (OSError, InputError):
        return 0, {}
