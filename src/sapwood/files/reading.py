"""Reads the files of a folder that anybody may have filled: links are not followed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeAlias

STRIPE = 1 << 20  # bytes read at once

NOT_FOLLOWED = os.O_NOFOLLOW | os.O_CLOEXEC

Stripes: TypeAlias = Generator[bytes, None, None]
"""The bytes of a file, part by part, which closes the file at its end or when it is closed."""


def read_stripes(path: Path) -> Stripes:
    """The bytes of a regular file, at most a MiB at a time.

    Raises:
        OSError: it is a link, or cannot be read.
    """
    # A pipe would wait for a writer.
    handle = os.open(path, os.O_RDONLY | NOT_FOLLOWED | os.O_NONBLOCK)
    try:
        while stripe := os.read(handle, STRIPE):
            yield stripe
    finally:
        os.close(handle)


def read_whole(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file that has at most `most`; None for a larger one.

    Raises:
        OSError: it is a link, or cannot be read.
    """
    parts: list[bytes] = []
    size = 0
    with contextlib.closing(read_stripes(path)) as stripes:
        for stripe in stripes:
            size += len(stripe)
            if size > most:
                return None
            parts.append(stripe)
    return b"".join(parts)
