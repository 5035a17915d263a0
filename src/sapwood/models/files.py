"""Files in and out: inputs as borrowed bytes, outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TypeAlias, cast

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.errors import InputError, IoError
from sapwood.patch.format import MOST_BASES
from sapwood.patch.writing import write_all

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes themselves, or a binary file object (read from its position to its end)."""

Output: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file object that is written to once everything was checked."""

EMPTY: Bytes = np.empty(0, np.uint8)
STRIPE = 1 << 20  # bytes copied at once
SHOWN = 40  # letters of a file's name that its temporary sibling begins with
PLACE = "a temporary file (TMPDIR)"


def source_list(source: Source | Sequence[Source]) -> list[Source]:
    """One source, or those of a list.

    Raises:
        InputError: none, or more than a patch can have.
    """
    given = list(source) if isinstance(source, list | tuple) else [cast("Source", source)]
    if not 1 <= len(given) <= MOST_BASES:
        raise InputError(f"expected 1 to {MOST_BASES} sources, found {len(given)}")
    return given


@contextlib.contextmanager
def os_errors(what: object) -> Iterator[None]:
    """Turns what the operating system refuses into our error, with the file's name."""
    try:
        yield
    except OSError as e:
        raise IoError(f"{what}: {e.strerror or e}") from e


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


def path_name(path: str | os.PathLike[str]) -> str:
    """A path as text that the operating system can take."""
    name: str | bytes = os.fspath(path)  # bytes, from some
    if not isinstance(name, str) or "\0" in name:
        raise InputError(f"expected a path, found {name!r}")
    return name


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


@contextlib.contextmanager
def atomic_output(output: Output) -> Iterator[IO[bytes]]:
    """A file to write to that takes the output's place when the block ends without an error.

    A path is written as a hidden sibling, synced and renamed, so that under its own
    name there is the old file or the whole new one at any instant. After an error the
    sibling is gone and nothing was changed; a killed process leaves it behind, named
    `.NAME.*.part`. Symbolic links are followed, and stay; a file that is replaced keeps
    its permissions. A file object, a pipe or a device gets everything at the end.

    Raises:
        IoError: writing failed, here or to a temporary file.
        InputError: it is nothing that could be written to.
    """
    if not isinstance(output, str | os.PathLike):
        check_file(output, "write")
        with late_output(output, getattr(output, "name", "the output")) as file:
            yield file
        return
    name = path_name(output)
    with os_errors(name):
        path = Path(os.path.realpath(name))
        mode = mode_of(Path(name))
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
    if mode is None or stat.S_ISREG(mode):
        with renamed_output(path, name, mode) as file:
            yield file
    else:
        with os_errors(name), Path(name).open("wb") as device, late_output(device, name) as file:
            yield file


@contextlib.contextmanager
def late_output(output: IO[bytes], name: object) -> Iterator[IO[bytes]]:
    """A temporary file whose content goes to a file object at the end."""
    with os_errors(f"{name}, or {PLACE}"), tempfile.TemporaryFile() as spool:
        yield spool
        spool.seek(0)
        copy_rest(spool, output)
        if hasattr(output, "flush"):
            output.flush()


@contextlib.contextmanager
def renamed_output(path: Path, name: object, mode: int | None) -> Iterator[IO[bytes]]:
    """A sibling of a path that takes its name at the end.

    Args:
        path: with symbolic links resolved.
        name: of it, for errors.
        mode: of the file that is replaced, or None.
    """
    # Short enough for any file system. Without an old file the umask has its say.
    sibling = path.with_name(f".{path.name[:SHOWN]}.{secrets.token_hex(8)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:  # a signal may come as soon as the file is there
        with os_errors(name):
            handle = os.open(sibling, flags, 0o666 if mode is None else 0o600)
        # Buffered, since a raw file may take less than it is given.
        with os_errors(f"{name}, or {PLACE}"), os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode & 0o777)
            os.fsync(file.fileno())
        with os_errors(name):
            sibling.replace(path)
        # Too late to fail: the output is there, if perhaps not yet after a power cut.
        with contextlib.suppress(OSError):
            sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            sibling.unlink()
        raise


def mode_of(path: Path) -> int | None:
    """Kind and permissions of what a path leads to, or None where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def sync_folder(folder: Path) -> None:
    """Makes a rename in it durable."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
