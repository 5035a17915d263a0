"""Paths as the operating system takes them, and what is under them."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from sapwood.errors import InputError

SHOWN = 40  # letters of a file's name that a hidden sibling's begins with

# Stores by content, as the cache of Hugging Face and layouts of OCI are, have their files there.
BLOBS = "blobs"
ALGORITHMS = frozenset({"sha256", "sha512"})  # folders in it, of OCI alone
DIGEST = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})")


def path_name(path: str | os.PathLike[str]) -> str:
    """A path as text that the operating system can take.

    Raises:
        InputError: the path is of bytes, or holds a NUL or half a pair of surrogates.
    """
    name: str | bytes = os.fspath(path)  # bytes, from some
    if not isinstance(name, str) or "\0" in name:
        raise InputError(f"expected a path, found {name!r:.80}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as e:
        raise InputError(f"expected a path that can be encoded, found {name!r:.80}") from e
    return name


def resolved(path: str | os.PathLike[str]) -> Path:
    """A path with the links on the way resolved.

    Raises:
        InputError: the path is of bytes, or holds a NUL.
    """
    return Path(os.path.realpath(path_name(path)))


def place_of(path: str | os.PathLike[str]) -> Path:
    """A path with the links on the way to it resolved, but not what it names itself.

    Raises:
        InputError: the path is of bytes, or holds a NUL.
    """
    name = Path(path_name(path))
    return resolved(name.parent) / name.name


def hidden_sibling(path: Path, middle: str, ending: str) -> Path:
    """The name `.NAME.MIDDLE.ENDING` beside a file, short enough for any file system."""
    return path.with_name(f".{path.name[:SHOWN]}.{middle}.{ending}")


def names_content(path: Path) -> bool:
    """Whether a path is that of a blob: a file of a store that is named by its digest.

    Written over, its name is wrong for all who look it up, or who have a link to it.

    Args:
        path: the path, with symbolic links resolved.
    """
    folder = path.parent.parent if path.parent.name in ALGORITHMS else path.parent
    return folder.name == BLOBS and DIGEST.fullmatch(path.name) is not None


def mode_of(path: Path, *, following: bool = False) -> int:
    """Kind and permissions of what is under a name; 0 where nothing is.

    Unlike `Path.is_dir` and its like it does not take an error for an answer.

    Args:
        path: the name.
        following: whether a link counts as what it leads to, and not as itself.

    Raises:
        OSError: one may not look.
    """
    try:
        return path.stat(follow_symlinks=following).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_there(path: Path) -> bool:
    """Whether something is under a name, a link that leads nowhere among it."""
    return mode_of(path) != 0


def is_folder(path: Path) -> bool:
    """Whether a folder is under a name, and no link to one."""
    return stat.S_ISDIR(mode_of(path))


def kind_of(mode: int) -> str:
    """What a mode is of, in words: a link, a folder, a file, or anything else."""
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "a pipe, a socket or a device"
