"""Files in and out: inputs as borrowed bytes, outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import InputError, IoError
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.writing import copy_rest

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes themselves, or a binary file object (read from its position to its end)."""


EMPTY: Bytes = np.empty(0, np.uint8)


@contextlib.contextmanager
def unchanged(*sources: Source) -> Iterator[None]:
    """Notices files that change while they are read through memory maps.

    Told by size, time of change and inode. A file that is cut off meanwhile ends the
    process by SIGBUS, as memory maps do; nothing is left under the output's name then.

    Raises:
        IoError: one of the files is not what it was when the block began.
    """
    before = [stamp(source) for source in sources]
    yield
    for source, then in zip(sources, before, strict=True):
        if then is not None and stamp(source) != then:
            raise IoError(
                f"{source!s}: changed while it was read, nothing was written; "
                "try again when nobody writes to it"
            )


def stamp(source: Source) -> tuple[int, ...] | None:
    """What changes when a file does; None for sources that are no regular files."""
    if not isinstance(source, str | os.PathLike):
        return None
    name = path_name(source)
    with os_errors(name):
        status = Path(name).stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_source(source: Source) -> Bytes:
    """The content of a source as an array that is not copied where it need not be.

    Regular files are memory-mapped: they must not be changed or cut off meanwhile.
    Pipes, devices and file objects are spooled to a temporary file.

    Raises:
        IoError: it cannot be read.
        InputError: it is nothing of the kind.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        if isinstance(source, memoryview) and not source.c_contiguous:
            raise InputError("expected contiguous bytes, found a strided view; pass bytes(view)")
        return np.frombuffer(source, np.uint8)
    if isinstance(source, str | os.PathLike):
        name = path_name(source)
        with os_errors(name), Path(name).open("rb") as file:
            status = os.fstat(file.fileno())
            # What has no size may still have content: pipes, devices, /proc.
            regular = stat.S_ISREG(status.st_mode) and status.st_size > 0
            return mapped(file) if regular else spooled(file)
    check_file(source, "read")
    with os_errors(getattr(source, "name", "the input")):
        return spooled(source)


def check_file(file: object, verb: str) -> None:
    """Refuses what is no open binary file, before any work is put into it.

    Args:
        file: anything.
        verb: "read" or "write".
    """
    if not hasattr(file, verb):
        raise InputError(f"expected a path, bytes or a binary file, found {type(file).__name__}")
    if isinstance(file, io.TextIOBase):
        raise InputError("expected a binary file, found one of text; open it in binary mode")
    if getattr(file, "closed", False):
        raise InputError("expected an open file, found a closed one")
    able = getattr(file, "readable" if verb == "read" else "writable", None)
    if able is not None and not able():
        raise InputError(f"expected a file to {verb}, found one that was not opened for it")


def spooled(source: IO[bytes]) -> Bytes:
    """What is left to read of a file object, through a temporary file."""
    with tempfile.TemporaryFile() as spool:
        copy_rest(source, spool)
        spool.flush()
        return mapped(spool)


def mapped(file: IO[bytes]) -> Bytes:
    """A whole open file, memory-mapped; stays when the file is closed."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return EMPTY
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
