"""Files and folders of a workspace: written so that a power cut leaves the old or the new.

Everything that changes the disk goes through here. Links are never followed. What the
operating system refuses is raised as it is; `Workspace` translates it once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from sapwood.errors import InvalidWorkspace

STRIPE = 1 << 20  # bytes read or written at once
# Past this many files one sync of everything is quicker than one each.
SYNC_ALL = 200
PATIENCE = 10  # times that Windows is asked again; virus scanners keep new files open
NAP = 0.05  # seconds between

NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
BINARY = getattr(os, "O_BINARY", 0)

Result = TypeVar("Result")
Stripes: TypeAlias = Generator[bytes, None, None]
"""Reads a file, part by part; closes it at the end, or when it is closed."""


def read_stripes(path: Path) -> Stripes:
    """The bytes of a regular file, in stripes. A link is refused."""
    # A pipe would wait for a writer.
    flags = os.O_RDONLY | NOT_FOLLOWED | BINARY | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags)
    try:
        while stripe := os.read(handle, STRIPE):
            yield stripe
    finally:
        os.close(handle)


def read_whole(path: Path, most: int) -> bytes | None:
    """The bytes of a file of at most `most`, None for a larger one."""
    parts: list[bytes] = []
    size = 0
    with contextlib.closing(read_stripes(path)) as stripes:
        for stripe in stripes:
            size += len(stripe)
            if size > most:
                return None
            parts.append(stripe)
    return b"".join(parts)


def write_new(path: Path, stripes: Iterable[bytes], mode: int = 0o666) -> None:
    """Writes a file that must not be there yet; it is durable only once it was synced.

    Args:
        path: of it.
        stripes: its bytes.
        mode: its permissions, before the umask has its say.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED | BINARY
    handle = os.open(path, flags, mode)
    try:
        for stripe in stripes:
            rest = memoryview(stripe)
            while rest:
                rest = rest[os.write(handle, rest) :]
    finally:
        os.close(handle)


def sync(paths: Sequence[Path]) -> None:
    """Makes files and folders durable."""
    if len(paths) > SYNC_ALL and sys.platform == "linux":  # elsewhere it does not wait
        os.sync()
        return
    for path in paths:
        if os.name == "nt" and path.is_dir():  # which has no such thing
            continue
        # Windows syncs only what is open for writing.
        handle = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | NOT_FOLLOWED)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace(source: Path, path: Path) -> None:
    """Gives a file the name of another, in one step."""
    patiently(lambda: source.replace(path))


def remove(path: Path) -> None:
    """Removes a file."""
    patiently(path.unlink)


def patiently(operation: Callable[[], Result]) -> Result:
    """The result of what Windows may refuse while a scanner or editor has the file open."""
    for _ in range(PATIENCE if os.name == "nt" else 0):
        try:
            return operation()
        except PermissionError:
            time.sleep(NAP)
    return operation()


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file of the record: the old bytes are there until the new ones are durable."""
    beside = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()  # of a program that was killed
    write_new(beside, [data])
    sync([beside])
    replace(beside, path)
    sync([path.parent])


def mode_of(path: Path) -> int:
    """Kind and permissions of what is under a name, of a link its own; 0 where nothing is.

    Unlike `Path.is_dir` and its like it does not take an error for an answer.
    """
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_there(path: Path) -> bool:
    """Whether something is under a name, a link that leads nowhere among it."""
    return mode_of(path) != 0


def is_folder(path: Path) -> bool:
    """Whether a folder is under a name, and no link to one."""
    return stat.S_ISDIR(mode_of(path))


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it lies in, unless they are there.

    Raises:
        InvalidWorkspace: a link or a file is in the way.
    """
    try:
        status = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        make_folder(folder.parent)  # which says what is in the way
        with contextlib.suppress(FileExistsError):  # of another program, just now
            folder.mkdir()
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidWorkspace(
            f"{folder}: expected a folder, found {kind_of(status.st_mode)}; move it away"
        )


def kind_of(mode: int) -> str:
    """What is in the way, in words."""
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if stat.S_ISREG(mode) else "a pipe, a socket or a device"


def remove_tree(folder: Path) -> None:
    """Removes a folder of ours with all in it, links as such. What is no folder is not ours."""
    if is_folder(folder):
        shutil.rmtree(folder)


def remove_empty(folder: Path, top: Path) -> None:
    """Removes a folder and those above it as long as they are empty and below `top`."""
    while folder != top and top in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass  # removed before a kill
        except OSError:
            return
        folder = folder.parent
