"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

from sapwood.errors import InputError
from sapwood.files.file_objects import check_file, copy_rest
from sapwood.files.paths import hidden_sibling, mode_of, names_content, path_name, place_of
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import rename_durably, sync, sync_folder, sync_open
from sapwood.files.writing import write_new

Output: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file object that is written to once everything was checked."""

PLACE = "a temporary file (TMPDIR)"


@dataclasses.dataclass(frozen=True, slots=True)
class OutputPlace:
    """Where an output leads.

    Attributes:
        name: the output's path as the caller gave it, for errors.
        path: the output's path with symbolic links resolved.
        mode: kind and permissions of what is there; 0 where nothing is.
    """

    name: str
    path: Path
    mode: int

    @property
    def is_file(self) -> bool:
        """Whether it is the place of a regular file, which can be renamed to; else of a device."""
        return self.mode == 0 or stat.S_ISREG(self.mode)

    @property
    def mode_until_whole(self) -> int:
        """Permissions of the file before it takes its name, less what the umask takes."""
        # Without an old file, whose permissions it gets at the end, the umask has its say.
        return 0o600 if self.mode else 0o666


def output_place(output: str | os.PathLike[str]) -> OutputPlace:
    """Where an output leads.

    Raises:
        InputError: it is no path, or a link to a blob that others have links to.
        IoError: a folder is there, or one may not look.
    """
    name = path_name(output)
    with os_errors(name, hidden=True):
        path = Path(os.path.realpath(name))
        if names_content(path) and Path(name).is_symlink():
            raise InputError(
                f"{name}: a link to {path}, whose name is the digest of what is in it; remove the "
                "link first, or name another file"
            )
        # By its own name: where the link /dev/stdout leads has none that could be looked at.
        mode = mode_of(Path(name), following=True)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
    return OutputPlace(name, path, mode)


def resumable_place(output: Output) -> OutputPlace:
    """Where an output leads that can be gone on with.

    Raises:
        InputError: it is no path, or that of a device.
        IoError: a folder is there, or one may not look.
    """
    if not isinstance(output, str | os.PathLike):
        raise InputError("expected a path as output to resume at, found a file object; name a file")
    place = output_place(output)
    if not place.is_file:
        raise InputError(f"{output}: expected a file to resume at, found a device; name a file")
    return place


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
        InputError: the output is nothing that could be written to.
    """
    if not isinstance(output, str | os.PathLike):
        check_file(output, "write")
        with _late_output(output, getattr(output, "name", "the output")) as file:
            yield file
        return
    place = output_place(output)
    if place.is_file:
        with _renamed_output(place) as file:
            yield file
    else:
        with (
            os_errors(place.name),
            Path(place.name).open("wb") as device,
            _late_output(device, place.name) as file,
        ):
            yield file


@contextlib.contextmanager
def replaced_link(name: str) -> Iterator[IO[bytes]]:
    """As `atomic_output` of a path of a file, but that a link is replaced, and not followed.

    Args:
        name: the path of a file, or of a link to one, whose permissions are kept.

    Raises:
        IoError: writing failed. What is there is as it was.
    """
    with os_errors(name, hidden=True):
        mode = mode_of(Path(name), following=True)
    with _renamed_output(OutputPlace(name, place_of(name), mode)) as file:
        yield file


@contextlib.contextmanager
def _late_output(output: IO[bytes], name: object) -> Iterator[IO[bytes]]:
    """A temporary file whose bytes go to a file object at the end."""
    with os_errors(f"{name}, or {PLACE}"), tempfile.TemporaryFile() as spool:
        yield spool
        spool.seek(0)
        copy_rest(spool, output)
        if hasattr(output, "flush"):
            output.flush()


@contextlib.contextmanager
def _renamed_output(place: OutputPlace) -> Iterator[IO[bytes]]:
    """A sibling of a file that takes its name at the end."""
    sibling = hidden_sibling(place.path, secrets.token_hex(8), "part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:  # a signal may come as soon as the file is there
        with os_errors(place.name, hidden=True):
            handle = os.open(sibling, flags, place.mode_until_whole)
        with (
            os_errors(f"{place.name}, or {PLACE}"),
            # Buffered, since a raw file may take less than it is given.
            os.fdopen(handle, "w+b") as file,
            taking_name(file, sibling, place),
        ):
            yield file
    except BaseException:
        with contextlib.suppress(OSError):
            sibling.unlink()
        raise


@contextlib.contextmanager
def taking_name(file: IO[bytes], sibling: Path, place: OutputPlace) -> Iterator[None]:
    """Gives a file that the block writes the name of an output when that ends without an error.

    Args:
        file: the file, open for writing.
        sibling: the path that the file has until then, on the same file system.
        place: where the output leads.

    Raises:
        IoError: the file cannot be written or renamed. The output is as it was.
    """
    with os_errors(f"{place.name}, or {PLACE}"):
        yield
        file.flush()
        if place.mode:
            os.fchmod(file.fileno(), place.mode & 0o777)
        sync_open(file.fileno())
    with os_errors(place.name, hidden=True):
        sibling.replace(place.path)
    # Too late to fail: the output is there, if perhaps not yet after a power cut.
    with contextlib.suppress(OSError):
        sync_folder(place.path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file of ours: the old bytes are there until the new ones are durable.

    A killed process leaves `NAME.new`, which the next call removes: one writes at a time.

    Args:
        path: the path of the file.
        data: the bytes of the file.

    Raises:
        OSError: the system refused.
    """
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    write_new(beside, [data])
    sync([beside])
    rename_durably(beside, path)
