"""A file that one process at a time updates in place.

It is read and written by position, never through a memory map: what is read is a copy, which
stays as it is when the file is overwritten, and a file that somebody cuts off meanwhile is an
error and not the end of the process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import Busy, Changed, InputError
from sapwood.files.locks import is_named, take_lock
from sapwood.files.paths import path_name
from sapwood.files.positions import read_at, reserve, write_at
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import sync_open

STRIPE = 4 << 20  # bytes read at once


@dataclasses.dataclass(frozen=True, slots=True)
class LockedFile:
    """An open file that nobody else updates meanwhile.

    Attributes:
        path: the file's path, with symbolic links resolved.
        name: the path as the caller gave it, for errors.
        handle: the operating system's handle of the file, for reading and writing.
    """

    path: Path
    name: str
    handle: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        with os_errors(self.name):
            return os.fstat(self.handle).st_size

    @property
    def inode(self) -> int:
        """The file's number in the file system."""
        with os_errors(self.name):
            return os.fstat(self.handle).st_ino

    def read(self, begin: int, end: int) -> Bytes:
        """A copy of the bytes [begin, end).

        Raises:
            IoError: the file is shorter, or cannot be read.
        """
        with os_errors(self.name):
            return read_at(self.handle, begin, end - begin, self.name)

    def write(self, begin: int, data: Bytes) -> None:
        """Writes all of `data` from `begin` on.

        Raises:
            IoError: the disk is full, for one; a part may have been written.
        """
        with os_errors(self.name):
            write_at(self.handle, begin, data.data)

    def reserve(self, size: int) -> None:
        """Makes the file so long at least, with room on the disk for what is new of it.

        Raises:
            IoError: there is not enough.
        """
        with os_errors(self.name):
            reserve(self.handle, size)

    def cut(self, size: int) -> None:
        """Makes the file so long at most.

        Raises:
            IoError: the system refused.
        """
        if self.size > size:
            with os_errors(self.name):
                os.ftruncate(self.handle, size)

    def sync(self) -> None:
        """Makes what was written durable.

        Raises:
            IoError: the system refused; what was written may not be there after a power cut.
        """
        with os_errors(self.name):
            sync_open(self.handle)

    def stripes(self, end: int, begin: int = 0) -> Iterator[Bytes]:
        """Copies of the bytes [begin, end), some MiB at a time.

        Raises:
            IoError: the file is shorter, or cannot be read.
        """
        for at in range(begin, end, STRIPE):
            yield self.read(at, min(at + STRIPE, end))

    def blake3(self, threads: int, size: int | None = None) -> bytes:
        """The BLAKE3 of the first `size` bytes, by default of all of them: 32 bytes.

        Raises:
            IoError: the file is shorter, or cannot be read.
        """
        hasher = blake3(max_threads=threads)
        for stripe in self.stripes(self.size if size is None else size):
            hasher.update(stripe.data)
        return hasher.digest()

    def sha256(self) -> bytes:
        """The SHA-256 of all bytes: 32 bytes.

        Raises:
            IoError: the file cannot be read.
        """
        hasher = hashlib.sha256()
        for stripe in self.stripes(self.size):
            hasher.update(stripe.data)
        return hasher.digest()


@contextlib.contextmanager
def locked_file(path: str | os.PathLike[str]) -> Iterator[LockedFile]:
    """Opens a file for an update in place, locked whatever name leads to it.

    Raises:
        Busy: another process updates it.
        Changed: another file has its name by now.
        IoError: it cannot be read and written.
        InputError: it is no regular file.
    """
    name = path_name(path)
    busy = Busy(f"{name}: another process updates it; wait for that, nothing was done")
    with os_errors(name, hidden=True):
        real = Path(os.path.realpath(name))
        handle = os.open(real, os.O_RDWR | os.O_CLOEXEC)
    try:
        with os_errors(name, hidden=True):
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InputError(f"{name}: expected a regular file; write to another file")
            take_lock(handle, busy)
            if not is_named(real, handle):
                raise Changed(f"{name}: replaced by another file meanwhile; try again")
        yield LockedFile(real, name, handle)
    finally:
        os.close(handle)
