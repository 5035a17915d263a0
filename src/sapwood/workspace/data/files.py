"""A downloaded file in the cache: where it grows, and whether it is right."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from sapwood.package import DataFile


def part_of(folder: Path, file: DataFile) -> Path:
    """Where a file grows."""
    return folder / f".{file.name}.part"


def size_of(path: Path) -> int:
    """Bytes of a regular file; 0 where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def is_right(path: Path, file: DataFile) -> bool:
    """Whether a file is there, with the right content."""
    if size_of(path) != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
