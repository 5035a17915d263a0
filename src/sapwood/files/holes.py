"""Files with holes: long runs of zeros take no room on the disk where the file system has holes.

What is written has no word of where its source has holes: whole blocks of zeros become some. Who
reads the file, or its size, sees no difference.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO

import numpy as np

from sapwood.content.content import Bytes
from sapwood.files.writing import write_all

BLOCK = 64 << 10  # bytes; a multiple of what file systems give room by
LOOKED_AT = 8  # bytes of a block: nearly all that have weights in them are told by these


class SparseWriter:
    """Writes to the end of a file, and leaves holes where blocks of it are zeros.

    A file object that is no regular file gets the zeros.
    """

    def __init__(self, out: IO[bytes]) -> None:
        """Writes nothing yet.

        Args:
            out: a file, positioned at its end. It is the caller's to flush and to close.
        """
        self._out = out
        self._has_holes = _is_regular(out)
        self._ends_in_hole = False

    def write(self, data: Bytes | memoryview) -> None:
        """Writes all of `data`. A hole at the end makes the file no longer before `finish`.

        Raises:
            OSError: from the file, as of `write_all`.
        """
        view = data if isinstance(data, memoryview) else data.data
        at = 0
        if self._has_holes:
            for begin, end in _holes(np.frombuffer(view, np.uint8), self._out.tell()):
                write_all(self._out, view[at:begin])
                self._out.seek(end - begin, os.SEEK_CUR)
                self._ends_in_hole = True
                at = end
        if at < len(view):
            write_all(self._out, view[at:])
            self._ends_in_hole = False

    def finish(self) -> None:
        """Makes the file as long as what was written.

        Raises:
            OSError: from the file.
        """
        if self._ends_in_hole:
            self._out.truncate()


def _is_regular(out: IO[bytes]) -> bool:
    try:
        handle = out.fileno()
    except (AttributeError, OSError):  # memory, or an object of the caller
        return False
    return stat.S_ISREG(os.fstat(handle).st_mode)


def _holes(data: Bytes, place: int) -> Iterator[tuple[int, int]]:
    """Runs of blocks of zeros: the first byte of `data`, and the first after it.

    Args:
        data: the bytes.
        place: where in the file they lie, of which blocks begin at multiples of their size.
    """
    start = -place % BLOCK
    count = max(0, len(data) - start) // BLOCK
    if count == 0:
        return
    blocks = data[start : start + count * BLOCK].reshape(count, BLOCK)
    begin = end = 0
    for i in np.flatnonzero(~blocks[:, :: BLOCK // LOOKED_AT].any(axis=1)):
        if blocks[i].any():
            continue
        at = start + int(i) * BLOCK
        if at != end:
            if begin < end:
                yield begin, end
            begin = at
        end = at + BLOCK
    if begin < end:
        yield begin, end
