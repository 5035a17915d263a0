"""What is on disk under the names that matter. Links are never followed, on no level."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.files.paths import kind_of
from sapwood.files.reading import read_stripes, read_whole
from sapwood.files.stamps import Stamps, stamp_of
from sapwood.package import LARGEST_READ, FileIdentity, content_hash
from sapwood.workspace.disk.states import Blocked, OnDisk

UNREADABLE = Blocked("something unreadable")
ELSEWHERE = Blocked("something on another file system")


class Disk:
    """The files of a workspace, as they are now; folders are looked at once.

    Use one for one look: it does not notice folders that change meanwhile.
    """

    def __init__(self, root: Path) -> None:
        """Looks at nothing yet.

        Args:
            root: folder of the workspace, with links resolved.

        Raises:
            OSError: it cannot be looked at.
        """
        self._root = str(root)
        self._device = root.stat().st_dev
        self._folders: dict[str, Blocked | bool] = {"": True}

    def _folder(self, folder: str) -> Blocked | bool:
        """Whether a folder is there, or what is in its place."""
        known = self._folders.get(folder)
        if known is None:
            known = self._folder(folder.rpartition("/")[0])
            if known is True:
                known = self._look_at_folder(folder)
            self._folders[folder] = known
        return known

    def _look_at_folder(self, folder: str) -> Blocked | bool:
        status = self._look_at(folder)
        if not isinstance(status, os.stat_result):
            return status or False
        if not stat.S_ISDIR(status.st_mode):
            return Blocked(f"{kind_of(status.st_mode)} in place of the folder {folder}")
        # What is staged could not be moved there in one step.
        return True if status.st_dev == self._device else ELSEWHERE

    def _look_at(self, path: str) -> os.stat_result | Blocked | None:
        try:
            return os.lstat(f"{self._root}/{path}")
        except FileNotFoundError:
            return None
        except PermissionError:
            return UNREADABLE

    def status(self, path: str) -> os.stat_result | Blocked | None:
        """The status of a regular file, or what is in its place."""
        folder = self._folder(path.rpartition("/")[0])
        if folder is not True:
            return folder or None
        status = self._look_at(path)
        if isinstance(status, os.stat_result) and not stat.S_ISREG(status.st_mode):
            return Blocked(kind_of(status.st_mode))
        return status

    def found(self, path: str, stamps: Stamps) -> OnDisk:
        """What is under a name, with the hashes that are known of files looked at before."""
        status = self.status(path)
        if not isinstance(status, os.stat_result):
            return status
        compute = partial(file_hash, self._root, path)
        try:
            found = stamps.hash_of(path, stamp_of(status), compute)
        except FileNotFoundError:
            return None  # deleted since
        except PermissionError:
            return UNREADABLE
        return FileIdentity(found, executable=bool(status.st_mode & stat.S_IXUSR))

    def raw(self, path: str) -> str | Blocked | None:
        """'sha256:…' of the bytes under a name, however many; or what is in their place."""
        status = self.status(path)
        if not isinstance(status, os.stat_result):
            return status
        try:
            return raw_hash(read_stripes(Path(self._root, path)))
        except FileNotFoundError:
            return None
        except PermissionError:
            return UNREADABLE


def file_hash(root: str, path: str) -> str:
    """The canonical hash of a file on disk.

    Args:
        root: folder that holds the file.
        path: the file's path from there, whose ending tells notebooks.

    Raises:
        OSError: it cannot be read.
    """
    file = Path(root, path)
    data = read_whole(file, LARGEST_READ)
    return raw_hash(read_stripes(file)) if data is None else content_hash(data, path)


def scan(root: Path, paths: Iterable[str], stamps: Stamps) -> dict[str, OnDisk]:
    """What is on disk under each of some names."""
    disk = Disk(root)
    return {path: disk.found(path, stamps) for path in paths}
