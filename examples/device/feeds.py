"""Where patches come from: a folder, or what serves one by HTTP.

A feed holds a file for each version but the last: `SHA256.ttp`, named for the model that it leads
on from. Any server of static files will do, and a device asks for one file by its name.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

STRIPE = 1 << 20  # bytes
PATIENCE = 60  # seconds without a byte
NOT_FOUND = 404


def download(feed: str, name: str, path: Path, most: int) -> bool:
    """Gets a file of a feed; False where it has none of that name.

    Args:
        feed: a URL or a folder.
        name: of the file.
        path: where it goes; only a whole file takes that name.
        most: bytes that are taken.

    Raises:
        OSError: the feed cannot be reached, breaks off or sends too much.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with opened(feed, name) as source, part.open("wb") as file:
            received = copied(source, file, most)
            announced = getattr(source, "length", None)  # what HTTP still owes
            if announced:
                raise OSError(f"{name}: broke off after {received} bytes")
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return False
    part.replace(path)
    return True


def opened(feed: str, name: str) -> IO[bytes]:
    """A file of a feed, to be read.

    Raises:
        FileNotFoundError: it has none of that name.
        OSError: it cannot be reached.
    """
    if "://" not in feed:
        return (Path(feed) / name).open("rb")
    if not feed.startswith(("http://", "https://")):
        raise OSError(f"{feed}: expected http or https")
    try:
        found: IO[bytes] = urllib.request.urlopen(f"{feed.rstrip('/')}/{name}", timeout=PATIENCE)
    except urllib.error.HTTPError as e:
        if e.code == NOT_FOUND:
            raise FileNotFoundError(name) from e
        raise
    return found


def copied(source: IO[bytes], file: IO[bytes], most: int) -> int:
    """Copies to the end, and returns how many bytes.

    Raises:
        OSError: there are more than `most`.
    """
    size = 0
    while stripe := source.read(STRIPE):
        size += len(stripe)
        if size > most:
            raise OSError(f"more than {most} bytes; raise --most-bytes")
        file.write(stripe)
    return size


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
