"""Walks through a folder and the folders in it, never through a link."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from sapwood.documents.file_selection import FileSelection
from sapwood.files.refusals import os_errors


@dataclasses.dataclass(frozen=True, slots=True)
class FoundFile:
    """Something in a folder that is no folder: a file, as a rule.

    Attributes:
        path: the path from the folder, parts separated by "/".
        status: what the system says of it; where links are followed, of what it leads to, which
            may be a folder.
    """

    path: str
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, or a link to one that was followed."""
        return stat.S_ISREG(self.status.st_mode)


def _raised(error: OSError) -> NoReturn:
    """Raises the error of what the system refused."""
    raise error


def passed_over(error: OSError) -> None:
    """Goes on in spite of what the system refused."""


def walk(
    folder: Path,
    *,
    following: bool,
    wanted: Callable[[str], bool] = lambda _: True,
    refused: Callable[[OSError], object] = _raised,
) -> Iterator[FoundFile]:
    """All that is in a folder and in those in it, hidden or not, by name.

    What is in a folder itself comes before what is in those in it. Links to folders are not
    walked through.

    Args:
        folder: the path of the folder.
        following: whether a link counts as what it leads to, and not as itself.
        wanted: tells of each path, of a folder too, whether to look there.
        refused: what is called with the error where the system refuses to look into a folder,
            or where a link leads. If it does not raise, that is passed over.

    Raises:
        OSError: from `refused`.
    """
    waiting = [""]
    while waiting:
        within = waiting.pop()
        folders = []
        for entry in _entries(folder / within, refused):
            path = f"{within}{entry.name}"
            if not wanted(path):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
                    continue
                status = entry.stat(follow_symlinks=following)
            except OSError as e:
                refused(e)
                continue
            yield FoundFile(path, status)
        waiting += reversed(folders)


def walk_selected(
    folder: Path,
    selection: FileSelection,
    left_out: set[str],
    *,
    refused: Callable[[OSError], object] = _raised,
) -> Iterator[FoundFile]:
    """As `walk`, links followed, what is selected of a folder.

    Args:
        folder, refused: as of `walk`.
        selection: which files are wanted.
        left_out: takes the paths of what is not, of folders with "/" at the end.

    Raises:
        OSError: from `refused`.
    """

    def wanted(path: str) -> bool:
        skipped = selection.skips(path)
        if skipped:
            left_out.add(f"{path}/" if (folder / path).is_dir() else path)
        return not skipped

    for one in walk(folder, following=True, wanted=wanted, refused=refused):
        out = selection.left_out(one.path)
        if out is None:
            yield one
        else:
            left_out.add(out)


def _entries(folder: Path, refused: Callable[[OSError], object]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as e:
        refused(e)
        return []


def files_below(folder: Path, fits: Callable[[int], bool]) -> Iterator[Path]:
    """Regular files in a folder and in those in it, as `walk` orders them, each once.

    Links to files are followed. What cannot be looked at is passed over.

    Args:
        folder: the path of the folder.
        fits: tells from its size in bytes whether a file is wanted.

    Raises:
        IoError: the folder itself cannot be read.
    """
    with os_errors(folder), os.scandir(folder):
        pass
    seen: set[tuple[int, int]] = set()  # several names may lead to one file
    for one in walk(folder, following=True, refused=passed_over):
        if not one.is_file or not fits(one.status.st_size):
            continue
        inode = one.status.st_dev, one.status.st_ino
        if inode not in seen:
            seen.add(inode)
            yield folder / one.path
