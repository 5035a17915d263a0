"""Reads and writes open files by position."""

from __future__ import annotations

import os

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import IoError


def read_at(handle: int, begin: int, size: int, name: object) -> Bytes:
    """So many bytes of an open file, in memory of the caller's.

    Raises:
        IoError: the file ends before.
        OSError: it cannot be read.
    """
    out = np.empty(size, np.uint8)
    done = 0
    while done < size:
        count = os.preadv(handle, [out[done:].data], begin + done)
        if count == 0:
            raise IoError(
                f"{name}: expected a byte at {begin + done}, found the end of the file; "
                "it was cut off meanwhile"
            )
        done += count
    return out


def write_at(handle: int, begin: int, data: memoryview | bytes) -> None:
    """Writes all of `data` to an open file.

    Raises:
        OSError: from the file; a part may have been written.
    """
    rest = memoryview(data)
    while rest:
        count = os.pwrite(handle, rest, begin)
        rest = rest[count:]
        begin += count


def reserve(handle: int, size: int) -> None:
    """Makes an open file so long at least; its blocks are taken from the disk at once.

    Raises:
        OSError: there are not enough.
    """
    if os.fstat(handle).st_size >= size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:  # macOS; a full disk is noticed later
        os.ftruncate(handle, size)
