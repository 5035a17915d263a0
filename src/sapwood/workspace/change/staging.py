"""Prepares a change beside the files it is for: new bytes, backups, the journal's steps.

Nothing of the user's is touched here. Whatever fails before the journal is written leaves
the workspace as it was.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidTemplate, InvalidWorkspace, IoError
from sapwood.files.folders import make_folder
from sapwood.files.paths import is_folder, is_there
from sapwood.files.reading import read_stripes, read_whole
from sapwood.files.syncing import sync
from sapwood.files.writing import write_new
from sapwood.package.canonical import LARGEST, content_hash
from sapwood.package.identity import Content
from sapwood.workspace.change.applying import mode_with
from sapwood.workspace.record.backups import ABOUT, FILES, Backup, place_backup
from sapwood.workspace.record.blobs import Blobs
from sapwood.workspace.record.journal import Kind, Step
from sapwood.workspace.record.places import Places

PLAIN, EXECUTABLE = 0o666, 0o777  # permissions before the umask has its say


class ChangedMeanwhile(Exception):
    """A file is not what it was when the change was planned: plan again."""


class Taken:
    """A file of the user's, read once.

    Attributes:
        raw: 'sha256:…' of its bytes.
        data: its bytes, None if they are more than LARGEST.
        mode: its permissions.
    """

    def __init__(self, file: Path, path: str, expected: Content) -> None:
        """Reads it.

        Args:
            file: on disk.
            path: of it in the workspace.
            expected: what it was when the change was planned.

        Raises:
            ChangedMeanwhile: it is something else.
            OSError: it cannot be read.
        """
        try:
            self.mode = stat.S_IMODE(file.lstat().st_mode) & 0o777
            self.data = read_whole(file, LARGEST)
            self.raw = raw_hash(read_stripes(file) if self.data is None else [self.data])
        except FileNotFoundError as e:
            raise ChangedMeanwhile(path) from e
        found = self.raw if self.data is None else content_hash(self.data, path)
        if found != expected.hash:
            raise ChangedMeanwhile(path)


class Stage:
    """The folder of one change.

    Attributes:
        steps: of the journal, in order.
        folder: its name, below `Places.staging`.
    """

    def __init__(self, places: Places) -> None:
        """Makes an empty folder.

        Args:
            places: of the workspace, whose lock is held.

        Raises:
            InvalidWorkspace, OSError: it cannot be made.
        """
        self.steps: list[Step] = []
        self.folder = secrets.token_hex(8)
        self._places = places
        self._path = places.staging / self.folder
        self._count = 0
        self._unsynced: list[Path] = []
        self._backed_up: dict[str, str] = {}
        self._writable: dict[Path, bool] = {}
        make_folder(self._path, InvalidWorkspace)

    def new_file(self) -> Path:
        """A free name for a staged file."""
        self._count += 1
        return self._path / str(self._count)

    def take(self, path: str, expected: Content, *, back_up: bool) -> Taken:
        """Reads a file of the user's, and copies it into the backup.

        Raises:
            ChangedMeanwhile: it is not what it was when the change was planned.
            IoError: it could not be replaced, since its folder may not be written to.
            OSError: the system refused.
        """
        taken = Taken(self._places.root / path, path, expected)
        if back_up:
            self.back_up(path, taken)
        return taken

    def back_up(self, path: str, taken: Taken) -> None:
        """Copies a file of the user's into the backup.

        Args:
            path: of it.
            taken: as it was read.

        Raises:
            ChangedMeanwhile: it is something else now.
            OSError: the system refused.
        """
        file = self._places.root / path
        copy = self._path / "backup" / FILES / path
        make_folder(copy.parent, InvalidWorkspace)
        self._write(copy, read_stripes(file) if taken.data is None else [taken.data], taken.raw)
        copy.chmod(taken.mode)
        self._backed_up[path] = taken.raw

    def put(
        self,
        path: str,
        stripes: Iterable[bytes],
        *,
        old: str | None,
        mode: int | None,
        executable: bool = False,
        beside: str | None = None,
    ) -> str:
        """Stages the bytes that a file gets.

        Args:
            path: of the file.
            stripes: its bytes.
            old: hash of the bytes that it has, None where nothing is.
            mode: its permissions; None for those that new files get.
            executable: of a new file, whether it may be run.
            beside: where the bytes go if somebody else writes to `path` meanwhile.

        Returns:
            Hash of the bytes.

        Raises:
            InvalidWorkspace: something is in the way of the folder that they go to.
            IoError: the folder may not be written to.
            OSError: the system refused.
        """
        staged = self.new_file()
        new = self._write(staged, stripes, None, EXECUTABLE if executable else PLAIN)
        self.put_staged(path, staged, new, old=old, mode=mode, beside=beside)
        return new

    def put_staged(
        self,
        path: str,
        staged: Path,
        new: str,
        *,
        old: str | None,
        mode: int | None,
        beside: str | None = None,
    ) -> None:
        """Stages a file that lies in the folder already; arguments as of `put`."""
        self._check_writable(path)
        if mode is not None:
            staged.chmod(mode)
        step = Step(Kind.WRITE, path, old=old, new=new, staged=staged.name, beside=beside)
        self.steps.append(step)

    def remove(self, path: str, old: str, *, after: str | None = None) -> None:
        """Removes a file, which was taken with a backup.

        Args:
            path: of it.
            old: hash of its bytes.
            after: path of a step without which it stays.
        """
        self._check_writable(path)
        self.steps.append(Step(Kind.REMOVE, path, old=old, after=after))

    def set_mode(self, path: str, *, executable: bool) -> None:
        """Makes a file executable, or no longer."""
        self.steps.append(Step(Kind.MODE, path, executable=executable))

    def keep_blob(self, digest: str, data: bytes) -> None:
        """Keeps what is installed, to show differences to."""
        blobs = Blobs(self._places.blobs)
        self._unsynced.append(blobs.put(digest, data, self.new_file()))

    def finish(self, label: str, created: datetime, version: str | None) -> str | None:
        """Makes all that was staged durable, and gives the backup its name.

        Args:
            label: what the backup is made before.
            created: in UTC.
            version: of the template, as it was before.

        Returns:
            The backup's name, None if nothing was backed up.
        """
        staged = self._path / "backup"
        if self._backed_up:
            backup = Backup("", label, created, version, self._backed_up)
            self._write(staged / ABOUT, [backup.to_bytes()], None)
            folders = [Path(top) for top, _, _ in os.walk(staged)]
        else:
            folders = []
        if self._unsynced:
            sync([*self._unsynced, *folders, self._path])
        if not self._backed_up:
            return None
        return place_backup(staged, self._places.backups, label, created)

    def _write(
        self, path: Path, stripes: Iterable[bytes], expected: str | None, mode: int = PLAIN
    ) -> str:
        """Writes a file, reads it again, and returns its hash."""
        hasher = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for stripe in stripes:
                hasher.update(stripe)
                yield stripe

        write_new(path, hashed(), mode)
        digest = f"sha256:{hasher.hexdigest()}"
        if raw_hash(read_stripes(path)) != digest:
            raise IoError(f"{path}: what was written is not what is read; check the disk")
        if expected is not None and digest != expected:
            raise ChangedMeanwhile(str(path))
        self._unsynced.append(path)
        return digest

    def _check_writable(self, path: str) -> None:
        """Sees to it that the folder of a file may be written to, before anything is changed."""
        folder = (self._places.root / path).parent
        while not is_there(folder):
            folder = folder.parent
        if not is_folder(folder):
            raise InvalidWorkspace(f"{folder}: expected a folder; move away what is there")
        if folder not in self._writable:
            self._writable[folder] = os.access(folder, os.W_OK | os.X_OK)
        if not self._writable[folder]:
            raise IoError(
                f"{folder}: Permission denied; nothing was changed. Give yourself the right to "
                "write to this folder"
            )


def checked_data(data: bytes, path: str, expected: Content) -> bytes:
    """Bytes of a template that are what was planned with.

    Raises:
        InvalidTemplate: the template changed meanwhile.
    """
    if content_hash(data, path) != expected.hash:
        raise InvalidTemplate(f"{path}: changed in the template while it was read; try again")
    return data


def permissions(current: int, recorded: Content | None, new: Content) -> int:
    """Permissions of a file that is replaced: its own, and what the template changed of them.

    Args:
        current: of the file.
        recorded: what was installed, None for nothing.
        new: what the template holds.
    """
    if recorded is None or recorded.executable != new.executable:
        return mode_with(current, executable=new.executable)
    return current
