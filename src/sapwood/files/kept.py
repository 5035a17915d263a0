"""Files that are kept when work on them is cut short, for the next try to go on with."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sapwood.errors import Busy, IoError
from sapwood.files.locks import is_named, take_lock
from sapwood.files.paths import hidden_sibling
from sapwood.files.refusals import os_errors

NAMED = 8  # bytes of a digest in a file's name


def beside(path: Path, digest: bytes, ending: str) -> Path:
    """The hidden sibling of an output that is kept for one patch.

    Args:
        path: the path of the output, with symbolic links resolved.
        digest: the digest that names the patch; its first bytes are a part of the name.
        ending: the end of the name, which says what is kept.
    """
    return hidden_sibling(path, digest[:NAMED].hex(), ending)


@contextlib.contextmanager
def kept_file(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """A file to read and write that stays where it is after an IoError, an interrupt or a kill.

    After success, and after any other error, it is removed, unless it was renamed. One
    process at a time has it.

    Args:
        path: a path that no other work uses.
        mode: permissions of a new file, of which the umask takes some.

    Raises:
        Busy: another process has it.
        IoError: it cannot be opened, or is none of ours.
    """
    with os_errors(path):
        file = _locked(path, mode)
    kept = False
    try:
        yield file
    except BaseException as e:
        kept = isinstance(e, OSError | IoError) or not isinstance(e, Exception)  # an interrupt
        raise
    finally:
        # Before the lock goes: nobody may have begun with it.
        if not kept:
            with contextlib.suppress(OSError):
                if is_named(path, file.fileno()):
                    path.unlink()
        with os_errors(path):
            file.close()


def _locked(path: Path, mode: int) -> IO[bytes]:
    """The file of that name, made if need be, that nobody else has.

    Raises:
        Busy: somebody has it.
        IoError: it is none of ours.
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    busy = Busy(f"{path}: another process is at the same work; wait until it has ended")
    while True:
        file = os.fdopen(os.open(path, flags, mode), "r+b")
        try:
            take_lock(file.fileno(), busy)
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise IoError(f"{path}: expected a file of one's own; remove it and try again")
            if is_named(path, file.fileno()):
                if status.st_nlink > 1:  # what is written here would be seen elsewhere
                    raise IoError(f"{path}: has another name too; remove it and try again")
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # it was renamed or removed between the two calls
