"""Paths as the operating system takes them."""

from __future__ import annotations

import os
from pathlib import Path

from sapwood.errors import InputError


def resolved(folder: str | os.PathLike[str]) -> Path:
    """A folder's path, with links on the way to it resolved."""
    name: str | bytes = os.fspath(folder)  # bytes, from some
    if not isinstance(name, str) or "\0" in name:
        raise InputError(f"expected the path of a folder, found {name!r:.80}")
    return Path(os.path.realpath(name))


def path_name(path: str | os.PathLike[str]) -> str:
    """A path as text that the operating system can take."""
    name: str | bytes = os.fspath(path)  # bytes, from some
    if not isinstance(name, str) or "\0" in name:
        raise InputError(f"expected a path, found {name!r}")
    return name
