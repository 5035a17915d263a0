"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sapwood.errors import InputError
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors

if TYPE_CHECKING:
    pass
import errno
import secrets
import stat
import tempfile
from typing import TypeAlias

from sapwood.files.sources import check_file
from sapwood.files.syncing import sync_folder
from sapwood.files.writing import copy_rest


def output_path(output: Output) -> Path:
    """The path of an output that can be gone on with, symbolic links resolved.

    Raises:
        InputError: it is no path, or that of a device.
        IoError: nothing can be written there.
    """
    if not isinstance(output, str | os.PathLike):
        raise InputError("expected a path as output to resume at, found a file object; name a file")
    path, _, regular = output_place(path_name(output))
    if not regular:
        raise InputError(f"{output}: expected a file to resume at, found a device; name a file")
    return path


Output: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file object that is written to once everything was checked."""


SHOWN = 40  # letters of a file's name that its temporary sibling begins with


PLACE = "a temporary file (TMPDIR)"


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
    path, mode, regular = output_place(name)
    if regular:
        with renamed_output(path, name, mode) as file:
            yield file
    else:
        with os_errors(name), Path(name).open("wb") as device, late_output(device, name) as file:
            yield file


def output_place(name: str) -> tuple[Path, int | None, bool]:
    """Where an output leads, the mode of what is there, and whether it can be renamed to.

    Raises:
        IoError: it is a folder, or one may not look.
    """
    with os_errors(name):
        path = Path(os.path.realpath(name))
        mode = mode_of(Path(name))
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
    return path, mode, mode is None or stat.S_ISREG(mode)


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
            finish(file, mode)
        replace(sibling, path, name)
    except BaseException:
        with contextlib.suppress(OSError):
            sibling.unlink()
        raise


def finish(file: IO[bytes], mode: int | None) -> None:
    """Makes what was written durable, with the permissions of the file that it replaces.

    Raises:
        OSError: it cannot be written.
    """
    file.flush()
    if mode is not None:
        os.fchmod(file.fileno(), mode & 0o777)
    os.fsync(file.fileno())


def replace(sibling: Path, path: Path, name: object) -> None:
    """Gives a finished file its name.

    Raises:
        IoError: it cannot be renamed; `name` is told.
    """
    with os_errors(name):
        sibling.replace(path)
    # Too late to fail: the output is there, if perhaps not yet after a power cut.
    with contextlib.suppress(OSError):
        sync_folder(path.parent)


def mode_of(path: Path) -> int | None:
    """Kind and permissions of what a path leads to, or None where there is nothing."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
