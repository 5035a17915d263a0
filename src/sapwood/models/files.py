"""Files in and out: whole files as borrowed bytes, and outputs that appear complete or not at all."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.errors import InputError, IoError

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes themselves, or a binary file object (read from its position to its end)."""

Output: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file object that is written to once everything was checked."""

EMPTY: Bytes = np.empty(0, np.uint8)


@contextlib.contextmanager
def os_errors(what: object) -> Iterator[None]:
    """Turns what the operating system refuses into our error, with the file's name."""
    try:
        yield
    except OSError as e:
        raise IoError(f"{what}: {e.strerror or e}") from e


def read_source(source: Source) -> Bytes:
    """The content of a source as an array that is not copied where it need not be.

    Files are memory-mapped: they must not be changed or cut off meanwhile. File
    objects without a file behind them are spooled to a temporary one.

    Raises:
        IoError: it cannot be read.
        InputError: it is nothing of the kind.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return np.frombuffer(source, np.uint8)
    if isinstance(source, str | os.PathLike):
        with os_errors(os.fspath(source)), open(source, "rb") as file:
            return mapped(file)
    if not hasattr(source, "read"):
        raise InputError(f"expected a path, bytes or a binary file, found {type(source).__name__}")
    with os_errors(getattr(source, "name", "the input")), tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(source, spool, 1 << 20)
        spool.flush()
        return mapped(spool)


def mapped(file: IO[bytes]) -> Bytes:
    """A whole open file, memory-mapped; stays when the file is closed."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return EMPTY
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


@contextlib.contextmanager
def atomic_output(output: Output) -> Iterator[IO[bytes]]:
    """A file to write to that takes the output's place when the block ends without an error.

    A path is written as a hidden sibling, synced and renamed, so that under its own
    name there is the old file or the whole new one at any instant. After an error the
    sibling is gone and nothing was changed. A file object gets everything at the end.

    Raises:
        IoError: writing failed.
    """
    if not isinstance(output, str | os.PathLike):
        if not hasattr(output, "write"):
            raise InputError(f"expected a path or a binary file, found {type(output).__name__}")
        with tempfile.TemporaryFile() as spool:
            yield spool
            with os_errors(getattr(output, "name", "the output")):
                spool.seek(0)
                shutil.copyfileobj(spool, output, 1 << 20)
                output.flush()
        return
    path = Path(output)
    with os_errors(path):
        if path.is_dir():
            raise IsADirectoryError(None, "is a directory")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os_errors(path), io.FileIO(handle, "r+b") as file:
            yield file  # type: ignore[misc]  # an unbuffered file is a binary file
            os.fchmod(file.fileno(), permissions(path))
            os.fsync(file.fileno())
        with os_errors(path):
            os.replace(name, path)
            sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def permissions(path: Path) -> int:
    """Those of the file that is replaced, or those that a new file would get."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def sync_folder(folder: Path) -> None:
    """Makes a rename in it durable."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
