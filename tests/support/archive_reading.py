"""Archives in memory, opened as the room of archives opens files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from sapwood.archives import Member, archive_members
from sapwood.content.content import Bytes
from sapwood.errors import SapwoodError
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits


class InvalidArchive(SapwoodError):
    """What is raised for the archives of tests."""

    def __init__(self, message: str, offset: int | None) -> None:
        super().__init__(message)
        self.offset = offset


class Counted:
    """A content that counts what is read of it.

    Attributes:
        reads: how often.
        read: bytes, in all.
    """

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self.reads = self.read = 0

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, part: slice, /) -> Bytes:
        found = self._data[part]
        self.reads += 1
        self.read += len(found)
        return found


@contextmanager
def opened(
    data: bytes | Counted, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> Iterator[list[Member]]:
    """The members of an archive, whose contents can be read in the block."""
    content = data if isinstance(data, Counted) else Counted(data)
    with tempfile.TemporaryFile() as spool:
        yield archive_members(content, spool, limits, InvalidArchive)


def contents(
    data: bytes | Counted, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS
) -> list[tuple[str, bytes]]:
    """Name and content of each member, read to the end; as large as it says that it is."""
    found = []
    with opened(data, limits) as members:
        for one in members:
            content = b"".join(one.stripes())
            assert len(content) == one.size or not content
            found.append((one.name, content))
    return found
