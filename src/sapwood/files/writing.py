"""Writes all of what there is, wherever it goes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import IO

from sapwood.files.reading import NOT_FOLLOWED


def write_by(write: Callable[[memoryview], int], data: memoryview) -> None:
    """Writes all of `data` by calls that may take less at once.

    Args:
        write: takes bytes from the beginning of what it is given, and says how many.
        data: the bytes.

    Raises:
        OSError: from `write`; a part may have been written.
    """
    while len(data):
        data = data[write(data) :]


def write_all(out: IO[bytes], data: memoryview) -> None:
    """Writes all of `data` to a file object that may take less at once.

    Raises:
        OSError: from the file; BlockingIOError where it would have to wait although it
            is not to.
    """

    def write(rest: memoryview) -> int:
        # Only raw files take less, and only they mean "nothing" by None.
        written: int | None = out.write(rest)
        if written is None and isinstance(out, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "cannot write yet; make the file blocking")
        return len(rest) if written is None else written

    write_by(write, data)


def write_new(path: Path, stripes: Iterable[bytes], mode: int = 0o666) -> None:
    """Writes a file that must not be there yet; it is durable only once it was synced.

    Args:
        path: the path of the file.
        stripes: the bytes of the file, in parts.
        mode: permissions of the file, before the umask has its say.

    Raises:
        FileExistsError: something has that name.
        OSError: the file cannot be written. It is not there then.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED, mode)
    try:
        try:
            for stripe in stripes:
                write_by(partial(os.write, handle), memoryview(stripe))
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
