"""A folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from sapwood.errors import InputError
from sapwood.files.outputs import SHOWN
from sapwood.files.paths import path_name
from sapwood.files.refusals import os_errors
from sapwood.files.syncing import sync_below, sync_folder


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
