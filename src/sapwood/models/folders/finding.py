"""Folders in and out: files looked for below one; a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sapwood.codec.chunk import Bytes
from sapwood.errors import InputError, IoError
from sapwood.models.files import SHOWN, Source, os_errors, path_name, read_source, sync_folder

SYNCED_AT_ONCE = 16  # files


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


def contents(sources: Sequence[Source], fits: Callable[[int], bool]) -> Iterator[Bytes]:
    """The content of each source, and of the files below those that are folders.

    Sources that are no folders come first; a folder is only looked into when they have all
    been taken, and each of its files only opened when it is asked for.

    Args:
        sources: in any order.
        fits: tells from its size in bytes whether a file below a folder is wanted.

    Raises:
        IoError: a source cannot be read. Files below folders are passed over then.
    """
    files, folders = separated(sources)
    yield from [read_source(one) for one in files]
    for folder in folders:
        yield from contents_below(folder, fits)


def separated(sources: Sequence[Source]) -> tuple[list[Source], list[Path]]:
    """The sources that are no folders, and those that are.

    Raises:
        IoError: one may not look.
    """
    files: list[Source] = []
    folders: list[Path] = []
    for one in sources:
        folder = folder_of(one)
        if folder is None:
            files.append(one)
        else:
            folders.append(folder)
    return files, folders


def contents_below(folder: Path, fits: Callable[[int], bool]) -> Iterator[Bytes]:
    """The content of each of `files_below`, but of those that cannot be read."""
    for path in files_below(folder, fits):
        data = None
        with contextlib.suppress(IoError):
            data = read_source(path)
        if data is not None:
            yield data


def files_below(folder: Path, fits: Callable[[int], bool]) -> Iterator[Path]:
    """Regular files in a folder and in those in it, by name, each once.

    Links to files are followed, links to folders are not. What cannot be looked at is
    passed over.

    Args:
        folder: that is looked through.
        fits: tells from its size in bytes whether a file is wanted.

    Raises:
        IoError: the folder itself cannot be read.
    """
    with os_errors(folder), os.scandir(folder):
        pass
    seen: set[tuple[int, int]] = set()  # several names may lead to one file
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            status = status_of(path)
            if status is None or not stat.S_ISREG(status.st_mode) or not fits(status.st_size):
                continue
            inode = status.st_dev, status.st_ino
            if inode not in seen:
                seen.add(inode)
                yield path


def status_of(path: Path) -> os.stat_result | None:
    """What a path leads to, or None where it leads nowhere."""
    try:
        return path.stat()
    except OSError:
        return None


@contextlib.contextmanager
def atomic_folder(output: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write files into that takes the output's name when the block ends well.

    It is a hidden sibling until then. After an error it is gone; a killed process leaves
    it behind, named `.NAME.*.part`.

    Args:
        output: a path where nothing is, or an empty folder, which is replaced and whose
            permissions stay.

    Raises:
        InputError: there is something else.
        IoError: writing failed.
    """
    path = Path(os.path.realpath(path_name(output)))
    with os_errors(output):
        there = os.path.lexists(path)  # a link that leads in a circle is there too
        if there and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(
                f"{output}: expected nothing there, or an empty folder; name another folder"
            )
        sibling = path.with_name(f".{path.name[:SHOWN]}.{secrets.token_hex(8)}.part")
        sibling.mkdir(0o700 if there else 0o777)
    try:
        with os_errors(output):
            yield sibling
            sync_below(sibling)
            if there:
                sibling.chmod(path.stat().st_mode & 0o7777)
            replace_folder(sibling, path)
        with contextlib.suppress(OSError):  # too late to fail
            sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(sibling, ignore_errors=True)
        raise


def replace_folder(sibling: Path, path: Path) -> None:
    """Gives a folder its name.

    Raises:
        InputError: something came to be there meanwhile.
        OSError: it cannot be renamed.
    """
    try:
        sibling.rename(path)
    except OSError as e:
        if e.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise InputError(
            f"{path}: something was written there meanwhile; name another folder"
        ) from e


def sync_below(folder: Path) -> None:
    """Makes what was written to a folder, and to those in it, durable."""
    parents = list(os.walk(folder))
    files = [Path(parent, name) for parent, _, names in parents for name in names]
    # A file system commits what waits together: twenty times faster than one by one.
    with ThreadPoolExecutor(SYNCED_AT_ONCE, "sapwood-sync") as syncing:
        for _ in syncing.map(sync_file, files):
            pass
    for parent, _, _ in parents:
        sync_folder(Path(parent))


def sync_file(path: Path) -> None:
    """Makes what was written to a file durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
