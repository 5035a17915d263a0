"""Writes all of what there is to a file object."""

from __future__ import annotations

import errno
import io
from typing import IO

from sapwood.errors import InputError


def write_all(out: IO[bytes], data: memoryview) -> None:
    """Writes all of `data` to a file object that may take less at once.

    Raises:
        OSError: from the file; BlockingIOError where it would have to wait although it
            is not to.
    """
    while len(data):
        # Only raw files take less, and only they mean "nothing" by None.
        written: int | None = out.write(data)
        if written is None and isinstance(out, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "cannot write yet; make the file blocking")
        data = data[len(data) if written is None else written :]


STRIPE = 1 << 20  # bytes copied at once


def copy_rest(source: IO[bytes], out: IO[bytes]) -> None:
    """Copies from the position of one file object to its end.

    Raises:
        OSError: one of them failed, or would have to wait although it is not to.
        InputError: `source` is a file of text.
    """
    while True:
        data = source.read(STRIPE)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "nothing to read yet; make the file blocking")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InputError(f"expected a binary file, found one of {type(data).__name__}")
        if len(data) == 0:
            return
        write_all(out, memoryview(data))
