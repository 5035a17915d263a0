"""What was installed, by digest and compressed: a new version of the template destroys its own."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from sapwood.errors import InvalidWorkspace
from sapwood.files.folders import make_folder
from sapwood.files.paths import is_folder
from sapwood.files.reading import read_whole
from sapwood.files.syncing import rename
from sapwood.files.writing import write_new

LEVEL = 6
SUFFIX = ".zst"
LARGEST_FRAME = 64 << 20  # bytes, more than any file that is kept could take


class Blobs:
    """The folder of what was installed."""

    def __init__(self, folder: Path) -> None:
        """Looks at nothing yet.

        Args:
            folder: folder of the blobs, which need not be there.
        """
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Where a blob lies, or would, by its SHA-256 in hexadecimal."""
        return self._folder / digest[:2] / f"{digest}{SUFFIX}"

    def put(self, digest: str, data: bytes, staged: Path) -> Path:
        """Keeps a blob, not yet durably.

        Args:
            digest: SHA-256 of `data` in hexadecimal.
            data: bytes of the blob.
            staged: free name on the same file system.

        Returns:
            The file that is to be synced.

        Raises:
            InvalidWorkspace: something is in the way of the blob's folder.
            OSError: the system refused.
        """
        from sapwood.content.zstd import compress

        path = self.path(digest)
        make_folder(path.parent, InvalidWorkspace)
        write_new(staged, [compress(data, LEVEL)])
        rename(staged, path)
        return path

    def get(self, digest: str, size: int) -> bytes:
        """A blob.

        Args:
            digest: SHA-256 of the blob's bytes in hexadecimal.
            size: number of these bytes.

        Raises:
            InvalidWorkspace: it is not there, or damaged.
            OSError: it cannot be read.
        """
        from sapwood.content.zstd import DamagedFrame, decompress

        path = self.path(digest)
        try:
            frame = read_whole(path, LARGEST_FRAME)
            data = decompress(frame or b"", size)
        except (FileNotFoundError, DamagedFrame) as e:
            raise InvalidWorkspace(f"{path}: missing or damaged; no difference can be shown") from e
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidWorkspace(f"{path}: damaged; no difference can be shown")
        return data

    def prune(self, needed: Collection[str]) -> None:
        """Removes all blobs but some.

        Args:
            needed: digests of the blobs that stay.

        Raises:
            OSError: one cannot be removed; others may be left then too.
        """
        if not is_folder(self._folder):
            return
        # Not `glob`, which passes over what it may not read.
        for folder in [one for one in self._folder.iterdir() if is_folder(one)]:
            for path in [one for one in folder.iterdir() if one.suffix == SUFFIX]:
                if path.stem not in needed:
                    path.unlink()
