"""What callers give to be read: paths, bytes, file objects and folders, as borrowed bytes."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from sapwood.content.content import Bytes
from sapwood.errors import Changed, InputError, IoError
from sapwood.files.file_objects import check_file, copy_rest
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.walking import files_below

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes themselves, or a binary file object (read from its position to its end)."""

EMPTY: Bytes = np.empty(0, np.uint8)


@contextlib.contextmanager
def unchanged(*sources: Source) -> Iterator[None]:
    """Notices files that change while they are read through memory maps.

    Size, time of writing and inode tell that. A file that is cut off meanwhile ends the
    process by SIGBUS, as memory maps do; nothing is left under the output's name then.

    Raises:
        Changed: one of the files is not what it was when the block began.
        IoError: one may not look at a file.
    """
    before = [_stamp(source) for source in sources]
    yield
    for source, then in zip(sources, before, strict=True):
        if then is not None and _stamp(source) != then:
            raise Changed(
                f"{source!s}: changed while it was read, nothing was written; "
                "try again when nobody writes to it"
            )


def _stamp(source: Source) -> tuple[int, ...] | None:
    """Numbers that change when a file does; None for sources that are no regular files."""
    if not isinstance(source, str | os.PathLike):
        return None
    name = path_name(source)
    with os_errors(name):
        status = Path(name).stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_source(source: Source) -> Bytes:
    """The bytes of a source as an array that is not copied where it need not be.

    Regular files are memory-mapped: they must not be changed or cut off meanwhile.
    Pipes, devices and file objects are spooled to a temporary file. Bytes stay the caller's.

    Raises:
        IoError: the source cannot be read.
        InputError: it is no source.
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
            return mapped(file) if regular else _spooled(file)
    check_file(source, "read")
    with os_errors(getattr(source, "name", "the input")):
        return _spooled(source)


def _spooled(source: IO[bytes]) -> Bytes:
    """What is left to read of a file object, through a temporary file."""
    with tempfile.TemporaryFile() as spool:
        copy_rest(source, spool)
        spool.flush()
        return mapped(spool)


def mapped(file: IO[bytes]) -> Bytes:
    """A whole open file, memory-mapped until nobody has the array, closed or not."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return EMPTY
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def folder_of(source: Source) -> Path | None:
    """The folder that a source names, or None.

    Raises:
        IoError: one may not look.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(path_name(source))
    with os_errors(path):
        return path if path.is_dir() else None


def separated(sources: Sequence[Source]) -> tuple[list[Source], list[Path]]:
    """The sources that are no folders, and those that are.

    Raises:
        IoError: one may not look.
    """
    pairs = [(one, folder_of(one)) for one in sources]
    files = [one for one, folder in pairs if folder is None]
    return files, [folder for _, folder in pairs if folder is not None]


def contents(sources: Sequence[Source], fits: Callable[[int], bool]) -> Iterator[Bytes]:
    """The content of each source, and of the files below those that are folders.

    Sources that are no folders come first; a folder is only looked into when they have all
    been taken, and each of its files only opened when it is asked for.

    Args:
        sources: files and folders in any order.
        fits: tells from its size in bytes whether a file below a folder is wanted.

    Raises:
        IoError: a source cannot be read. Files below folders that cannot be are passed over.
    """
    files, folders = separated(sources)
    yield from [read_source(one) for one in files]
    for folder in folders:
        yield from contents_below(folder, fits)


def contents_below(folder: Path, fits: Callable[[int], bool]) -> Iterator[Bytes]:
    """The content of each of `files_below`, but of those that cannot be read."""
    for path in files_below(folder, fits):
        try:
            data = read_source(path)
        except IoError:
            continue
        yield data
