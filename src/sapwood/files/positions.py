"""Reads and writes open files by position."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import Changed
from sapwood.files.writing import write_by


class OpenFile:
    """An open file as `Content`: each part is read into memory when it is asked for.

    No memory map: a file that somebody cuts off meanwhile is an error, not the end of the process.
    """

    def __init__(self, handle: int, name: object) -> None:
        """Borrows the file.

        Args:
            handle: the system's handle of the file.
            name: what the file is called in errors.

        Raises:
            OSError: from the file.
        """
        self._handle = handle
        self._name = name
        self._size = os.fstat(handle).st_size

    def __len__(self) -> int:
        """Bytes of the file when it was opened."""
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        """The bytes of a slice without a step, as of `Content`.

        Raises:
            Changed: the file is shorter by now.
            OSError: it cannot be read.
        """
        begin, end, _ = part.indices(self._size)
        return read_at(self._handle, begin, max(0, end - begin), self._name)


def read_at(handle: int, begin: int, size: int, name: object) -> Bytes:
    """The bytes [begin, begin + size) of an open file, in an array that is the caller's.

    Args:
        handle: the system's handle of the file.
        begin: the first byte.
        size: bytes to read.
        name: what the file is called in errors.

    Raises:
        Changed: the file ends before.
        OSError: it cannot be read.
    """
    out = np.empty(size, np.uint8)
    done = 0
    while done < size:
        count = os.preadv(handle, [out[done:].data], begin + done)
        if count == 0:
            raise Changed(
                f"{name}: expected a byte at {begin + done}, found the end of the file; "
                "it was cut off meanwhile"
            )
        done += count
    return out


def write_at(handle: int, begin: int, data: memoryview | bytes) -> None:
    """Writes all of `data` to an open file, from the byte `begin` on.

    Raises:
        OSError: from the file; a part may have been written.
    """
    end = begin + len(data)
    write_by(lambda rest: os.pwrite(handle, rest, end - len(rest)), memoryview(data))


def reserve(handle: int, size: int) -> None:
    """Makes an open file `size` bytes long at least; room for the new ones is taken at once.

    Holes that the file has stay.

    Raises:
        OSError: the disk has not enough.
    """
    old = os.fstat(handle).st_size
    if old >= size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, old, size - old)
    else:  # macOS; a full disk is noticed later
        os.ftruncate(handle, size)


def expect(handle: int, spans: Iterable[tuple[int, int]]) -> None:
    """Tells the operating system which parts of an open file will be read, and no others.

    It fetches them at once then, where it can be told.

    Args:
        handle: the system's handle of the file.
        spans: first byte and number of bytes of each part.

    Raises:
        OSError: from the file.
    """
    if hasattr(os, "posix_fadvise"):  # macOS has none
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        for begin, size in spans:
            os.posix_fadvise(handle, begin, size, os.POSIX_FADV_WILLNEED)
