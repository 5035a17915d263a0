"""Takes the place of a file without losing what somebody saved there in that instant.

Between a look at a file and its replacement an editor may save. So the two exchange their names
in one step, what was displaced is looked at afterwards, and goes back if it is not what was
expected. Linux has renameat2(2) for that, macOS renamex_np(2); where the system or the file
system has neither, the file is replaced, and the instant stays open.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.files.paths import is_there
from sapwood.files.reading import read_stripes

AT_FDCWD = -100
# Flags of renameat2(2) and of renamex_np(2): nothing may have the new name; both change names.
NO_REPLACE, EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
MISSING = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def take_place(staged: Path, path: Path, old: str | None) -> bool:
    """Gives a staged file a name, if what has that name is still what was expected.

    Args:
        staged: the file's path until then. What the file displaces lies there afterwards, where
            the system can exchange names.
        path: the path that it is to have.
        old: 'sha256:…' of what is expected there, None for nothing.

    Returns:
        Whether the file has the name. If not, all is as it was.

    Raises:
        OSError: the system refused.
    """
    if old is None:
        return _rename_to_free(staged, path)
    try:
        if not rename_with(staged, path, EXCHANGE):
            staged.replace(path)
            return True
    except FileNotFoundError:
        return False  # deleted in that instant
    if raw_hash(read_stripes(staged)) == old:
        return True
    rename_with(staged, path, EXCHANGE)
    return False


def take_away(path: Path, spare: Path, old: str) -> bool:
    """Removes a file, if it is still what was expected.

    Args:
        path: the path of the file.
        spare: a path of ours on the same file system, where the file lies afterwards.
        old: 'sha256:…' of what is expected.

    Returns:
        Whether the file is removed, or nothing was there. If not, it is where it was.

    Raises:
        OSError: the system refused.
    """
    try:
        path.replace(spare)
    except FileNotFoundError:
        return True
    if raw_hash(read_stripes(spare)) == old:
        return True
    give_back(spare, path)
    return False


def give_back(displaced: Path, path: Path) -> None:
    """Gives what was displaced the name that it had: what has it now gets the other."""
    try:
        if not rename_with(displaced, path, EXCHANGE):
            displaced.replace(path)
    except FileNotFoundError:  # nothing has the name
        _rename_to_free(displaced, path)


def _rename_to_free(staged: Path, path: Path) -> bool:
    """Gives a file a name that nothing has; False, and nothing done, if something does."""
    try:
        if rename_with(staged, path, NO_REPLACE):
            return True
    except FileExistsError:
        return False
    if is_there(path):
        return False
    staged.replace(path)
    return True


def rename_with(staged: Path, path: Path, flag: int) -> bool:
    """Renames with a flag; False where the system or the file system has no such call.

    Raises:
        OSError: the call was refused.
    """
    function = system_rename()
    if function is None:
        return False
    if function(os.fsencode(staged), os.fsencode(path), flag) == 0:
        return True
    error = ctypes.get_errno()
    if error in MISSING:
        return False
    raise OSError(error, os.strerror(error), str(path))


@cache
def system_rename() -> Callable[[bytes, bytes, int], int] | None:
    """The system's rename with flags, None where it has none."""
    darwin = sys.platform == "darwin"
    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "renamex_np" if darwin else "renameat2", None)
    if function is None:
        return None
    if darwin:
        return lambda a, b, flag: int(function(a, b, flag))
    return lambda a, b, flag: int(function(AT_FDCWD, a, AT_FDCWD, b, ctypes.c_uint(flag)))
