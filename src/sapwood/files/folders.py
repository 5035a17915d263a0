"""Folders: one that appears whole or not at all, and ours, made and removed step by step."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from sapwood.errors import InputError, SapwoodError
from sapwood.files.paths import hidden_sibling, is_folder, kind_of, path_name
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import sync_below, sync_folder


@contextlib.contextmanager
def atomic_folder(output: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write files into that takes the output's name when the block ends well.

    It is a hidden sibling of the output until then. After an error it is gone; a killed process
    leaves it behind, named `.NAME.*.part`.

    Args:
        output: a path where nothing is, or an empty folder, which is replaced and whose
            permissions stay.

    Raises:
        InputError: something else is there.
        IoError: writing failed.
    """
    path = Path(os.path.realpath(path_name(output)))
    with os_errors(output, hidden=True):
        there = os.path.lexists(path)  # a link that leads in a circle is there too
        if there and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(
                f"{output}: expected nothing there, or an empty folder; name another folder"
            )
        sibling = hidden_sibling(path, secrets.token_hex(8), "part")
        sibling.mkdir(0o700 if there else 0o777)
    try:
        with os_errors(output, hidden=True):
            yield sibling
            sync_below(sibling)
            if there:
                sibling.chmod(path.stat().st_mode & 0o7777)
            _take_name(sibling, path)
        with contextlib.suppress(OSError):  # too late to fail
            sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(sibling, ignore_errors=True)
        raise


def _take_name(sibling: Path, path: Path) -> None:
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


def make_folder(folder: Path, fault: type[SapwoodError] = InputError) -> None:
    """Makes a folder, and those that it lies in, unless they are there. Links are not followed.

    Args:
        folder: the path of the folder.
        fault: the class of the error that tells of what is in the way.

    Raises:
        The given error: a link or a file is in the way.
        OSError: the system refused.
    """
    try:
        status = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        make_folder(folder.parent, fault)  # which says what is in the way
        with contextlib.suppress(FileExistsError):  # of another program, just now
            folder.mkdir()
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise fault(f"{folder}: expected a folder, found {kind_of(status.st_mode)}; move it away")


def remove_tree(folder: Path) -> None:
    """Removes a folder of ours with all in it. Links in it are removed, not what they lead to.

    What is no folder is not ours, and stays.

    Raises:
        OSError: the system refused; a part may be gone.
    """
    if is_folder(folder):
        shutil.rmtree(folder)


def remove_empty(folder: Path, top: Path) -> None:
    """Removes a folder and those above it as long as they are empty and below `top`.

    What the system refuses ends that, and is not told.
    """
    while folder != top and top in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # removed before a kill
        except OSError:
            return
        folder = folder.parent
