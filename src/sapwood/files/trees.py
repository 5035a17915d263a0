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
from sapwood.documents.file_selection import ALL_BUT_LITTER, FileSelection
from sapwood.documents.paths import unportable
from sapwood.errors import Changed, InputError
from sapwood.files.positions import read_at
from sapwood.files.refusals import os_errors
from sapwood.files.sources import mapped
from sapwood.files.walking import FoundFile, walk_selected

MOST_FILES = 1 << 16  # of a folder
MOST_MAPPED = 128  # files of a folder that stay open, the largest: a process may have some 1000
FEW = 4  # folders of which each has so many; of more, each has fewer
LEAST_MAPPED = 1 << 20  # bytes; shorter parts are copied


@dataclasses.dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a folder.

    Attributes:
        path: the path from the folder, parts separated by "/".
        size: bytes of the file.
        executable: whether its owner may run it.
    """

    path: str
    size: int
    executable: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that was found in a folder.

    Attributes:
        entry: the file as a patch lists it.
        stamp: numbers that change when the file does, with its size.
    """

    entry: FileEntry
    stamp: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder, as far as it was selected.

    Attributes:
        files: the files, in the order of their paths.
        left_out: paths of what was not selected, of folders with "/" at the end.
    """

    files: tuple[ListedFile, ...]
    left_out: tuple[str, ...]

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """The files as a patch lists them."""
        return tuple(one.entry for one in self.files)


def list_folder(root: Path, selection: FileSelection = ALL_BUT_LITTER) -> Listing:
    """The files in a folder and in those in it, hidden ones too, in the order of their paths.

    Links to files count as what they lead to. Folders without files do not count.

    Args:
        root: the path of the folder.
        selection: which files are taken.

    Raises:
        InputError: something is no file and no folder, or a link to a folder; files cannot be
            written everywhere beside each other, or are more than a patch can list.
        IoError: something cannot be looked at, such as a link that leads nowhere.
    """
    found: list[ListedFile] = []
    left_out: set[str] = set()
    with os_errors(root):
        for one in walk_selected(root, selection, left_out):
            found.append(_listed(root, one))
            if len(found) > MOST_FILES:
                raise InputError(f"{root}: expected at most {MOST_FILES} files, found more")
    found.sort(key=lambda one: one.entry.path)
    fault = unportable([one.entry.path for one in found])
    if fault is not None:
        raise InputError(f"{root}: {fault}; rename it, or leave it out")
    return Listing(tuple(found), tuple(sorted(left_out)))


def _listed(root: Path, one: FoundFile) -> ListedFile:
    """A file of a folder as it is listed."""
    status, path = one.status, root / one.path
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: a link to a folder is not followed; put the folder there")
    if not one.is_file:
        raise InputError(f"{path}: expected a file, found a pipe, socket or device; remove it")
    entry = FileEntry(one.path, status.st_size, bool(status.st_mode & stat.S_IXUSR))
    return ListedFile(entry, (status.st_dev, status.st_ino, status.st_mtime_ns))


class ReadFile:
    """A file that is opened for each part that is read of it. Long parts are mapped."""

    def __init__(self, path: Path, size: int) -> None:
        """Nothing is opened yet.

        Args:
            path: the path of the file.
            size: bytes of the file.
        """
        self._path = path
        self._size = size

    def __len__(self) -> int:
        """Bytes of the file."""
        return self._size

    def __getitem__(self, part: slice, /) -> Bytes:
        """The bytes of a slice without a step, as of `Content`: copied, or mapped.

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
    """How many files of each folder may stay open where so many folders are read at once."""
    return MOST_MAPPED * FEW // max(FEW, folders)


def file_contents(root: Path, files: Sequence[FileEntry], most_mapped: int) -> list[Content]:
    """The contents of a folder's files, in their order.

    The largest are memory-mapped; the others are opened when they are read, for a process may
    have few open files.

    Args:
        root: the path of the folder.
        files: the files in it.
        most_mapped: how many files to keep open at most.

    Raises:
        Changed: a file has not that size any more.
        IoError: a file cannot be opened.
    """
    largest = sorted(range(len(files)), key=lambda i: -files[i].size)[:most_mapped]
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
