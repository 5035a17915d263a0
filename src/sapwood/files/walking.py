"""Folders in and out: files looked for below one; a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sapwood.content.content import Bytes
from sapwood.errors import IoError
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, read_source


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
