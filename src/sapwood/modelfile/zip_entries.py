"""The stored entries of a zip archive: where in the file their bytes lie.

An entry that cannot be told apart without doubt is left out: one that is compressed or encrypted,
reaches outside of the archive or into another entry, shares its name, or whose local header says
something else. Its bytes are skeleton, and no harm is done.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from sapwood.archives import Method, ZipEntry, apart, read_directory as read_entries
from sapwood.errors import InvalidModelFile
from sapwood.limits import ArchiveLimits
from sapwood.modelfile.layout import MOST_TENSORS

LIMITS = ArchiveLimits(entries=MOST_TENSORS, directory=256 << 20)


@dataclasses.dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry that is not compressed: `size` bytes at `offset` from the file's start."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.size


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """A zip archive's central directory.

    Attributes:
        names: names of all entries, in the directory's order.
        stored: the entries whose bytes lie in the file as they are, by offset.
    """

    names: tuple[str, ...]
    stored: tuple[StoredEntry, ...]


def read_directory(view: memoryview) -> Directory:
    """The entries of an archive that begins at the first byte of a file.

    Raises:
        InvalidModelFile: there is no central directory, or it is damaged; `offset` is
            the place.
    """
    entries = read_entries(np.frombuffer(view, np.uint8), LIMITS, _invalid)
    names = tuple(one.name for one in entries)
    counts = collections.Counter(names)
    plain = [one for one in entries if _is_plain(one) and counts[one.name] == 1]
    stored = [
        StoredEntry(one.name, one.offset, one.size)
        for one in apart(plain)
        if one.offset is not None
    ]
    return Directory(names, tuple(stored))


def _invalid(message: str, offset: int | None) -> InvalidModelFile:
    return InvalidModelFile(message, offset=offset or 0)


def _is_plain(entry: ZipEntry) -> bool:
    """Whether an entry's bytes are its content."""
    stored = entry.method == Method.STORED and entry.size == entry.packed
    return stored and not entry.is_encrypted
