"""Folders as they are read: what is in them, and their files as contents."""

from __future__ import annotations

import dataclasses
import mmap
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.documents.paths import path_fault
from sapwood.errors import Changed, InputError
from sapwood.files.positions import read_at
from sapwood.files.refusals import os_errors
from sapwood.files.sources import mapped
from sapwood.files.walking import Found, walk

MOST_FILES = 1 << 16  # of a folder
MOST_MAPPED = 128  # files of a folder that stay open, the largest: a process may have some 1000
FEW = 4  # folders of which each has so many; of more, each has fewer
LEAST_MAPPED = 1 << 20  # bytes; shorter parts are copied


@dataclasses.dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a folder.

    Attributes:
        path: from the folder, parts separated by "/".
        size: bytes.
        executable: by its owner.
    """

    path: str
    size: int
    executable: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A file that was found in a folder, and what changes when it does."""

    entry: FileEntry
    stamp: tuple[int, ...]


def list_folder(root: Path) -> list[Listed]:
    """The files in a folder and in those in it, by path.

    All of them, hidden ones too. Links to files count as what they lead to. Folders
    without files are left out.

    Raises:
        InputError: something that is no file and no folder, a link to a folder, a name that
            other systems cannot have, or more files than a patch can list.
        IoError: something cannot be looked at, such as a link that leads nowhere.
    """

    def wanted(path: str) -> bool:
        fault = path_fault(path)
        if fault is not None:
            raise InputError(f"{root}: {path[:80]!a} {fault}; rename it")
        return True

    found: list[Listed] = []
    with os_errors(root):
        for one in walk(root, following=True, wanted=wanted):
            found.append(_listed(root, one))
            if len(found) > MOST_FILES:
                raise InputError(f"{root}: expected at most {MOST_FILES} files, found more")
    return sorted(found, key=lambda one: one.entry.path)


def _listed(root: Path, one: Found) -> Listed:
    """A file of a folder as it is listed."""
    status = one.status
    if stat.S_ISDIR(status.st_mode):
        path = root / one.path
        raise InputError(f"{path}: a link to a folder is not followed; put the folder there")
    if not one.is_file:
        path = root / one.path
        raise InputError(f"{path}: expected a file, found a pipe, socket or device; remove it")
    executable = bool(status.st_mode & stat.S_IXUSR)
    entry = FileEntry(one.path, status.st_size, executable)
    return Listed(entry, (status.st_dev, status.st_ino, status.st_mtime_ns))


class ReadFile:
    """A file that is opened for each part that is read of it. Long parts are mapped."""

    def __init__(self, path: Path, size: int) -> None:
        """Nothing is opened yet.

        Args:
            path: of the file.
            size: that it has, bytes.
        """
        self._path = path
        self._size = size

    def __len__(self) -> int:
        """Bytes of the file."""
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`.

        Raises:
            Changed: the file is shorter by now.
            IoError: it cannot be read.
        """
        begin, end, _ = part.indices(self._size)
        if end <= begin:
            return np.empty(0, np.uint8)
        with os_errors(self._path), self._path.open("rb", buffering=0) as file:
            if end - begin < LEAST_MAPPED:
                return read_at(file.fileno(), begin, end - begin, self._path)
            if os.fstat(file.fileno()).st_size < end:
                raise Changed(f"{self._path}: cut off while it was read; try again")
            return _mapped_part(file.fileno(), begin, end)


def _mapped_part(handle: int, begin: int, end: int) -> Bytes:
    """The bytes [begin, end) of an open file, memory-mapped until nobody has the array."""
    start = begin - begin % mmap.ALLOCATIONGRANULARITY
    view = mmap.mmap(handle, end - start, access=mmap.ACCESS_READ, offset=start)
    return np.frombuffer(view, np.uint8)[begin - start :]


def mapped_of_each(folders: int) -> int:
    """How many files of each of so many folders may stay open."""
    return MOST_MAPPED * FEW // max(FEW, folders)


def file_contents(
    root: Path, files: Sequence[FileEntry], most_mapped: int | None = None
) -> list[Content]:
    """The contents of a folder's files, in their order.

    The largest are memory-mapped; the others are opened when they are read, for open
    files are few.

    Args:
        root: the folder.
        files: that it has.
        most_mapped: how many files to keep open at most; `MOST_MAPPED` by default.

    Raises:
        Changed: one has not the size any more.
        IoError: one cannot be opened.
    """
    most = MOST_MAPPED if most_mapped is None else most_mapped
    largest = sorted(range(len(files)), key=lambda i: -files[i].size)[:most]
    kept = {i for i in largest if files[i].size >= LEAST_MAPPED}
    contents: list[Content] = []
    for i, one in enumerate(files):
        path = root / one.path
        if i not in kept:
            contents.append(ReadFile(path, one.size))
            continue
        with os_errors(path), path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != one.size:
                raise Changed(f"{path}: changed while it was read; try again")
            contents.append(mapped(file))
    return contents
