"""Prepares a change beside the files it is for: new bytes, backups, the journal's steps.

Nothing of the user's is touched here. Whatever fails before the journal is written leaves
the workspace as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from sapwood.content.digests import raw_hash
from sapwood.errors import Changed, InvalidPackage, InvalidWorkspace, IoError
from sapwood.files.folders import make_folder
from sapwood.files.paths import is_folder, is_there
from sapwood.files.reading import read_stripes, read_whole
from sapwood.files.syncing import sync
from sapwood.files.writing import write_new
from sapwood.package import LARGEST_READ, FileIdentity, content_hash
from sapwood.workspace.change.applying import mode_with, tidy
from sapwood.workspace.record.backups import ABOUT, FILES, Backup, place_backup
from sapwood.workspace.record.journal import ChangeJournal, ChangeStep, StepKind
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record, own_bytes

PLAIN, EXECUTABLE = 0o666, 0o777  # permissions before the umask has its say


def changed_meanwhile(path: str | Path) -> Changed:
    """The error for a file that is not what it was when the change was planned."""
    return Changed(f"{path}: is being written to; try again when it is not")


class Taken:
    """A file of the user's, read once.

    Attributes:
        raw: 'sha256:…' of its bytes.
        data: its bytes, None if they are more than LARGEST_READ.
        mode: its permissions.
    """

    def __init__(self, file: Path, path: str, expected: FileIdentity) -> None:
        """Reads it.

        Args:
            file: the file's place on disk.
            path: its path in the workspace, whose ending tells notebooks.
            expected: what it was when the change was planned.

        Raises:
            Changed: it is something else.
            OSError: it cannot be read.
        """
        self._file = file
        try:
            self.mode = stat.S_IMODE(file.lstat().st_mode) & 0o777
            self.data = read_whole(file, LARGEST_READ)
            self.raw = raw_hash(self.stripes())
        except FileNotFoundError as e:
            raise changed_meanwhile(path) from e
        found = self.raw if self.data is None else content_hash(self.data, path)
        if found != expected.hash:
            raise changed_meanwhile(path)

    def stripes(self) -> Iterable[bytes]:
        """Its bytes; of a large file those that it has now."""
        return read_stripes(self._file) if self.data is None else [self.data]


@dataclasses.dataclass(frozen=True, slots=True)
class StagedFile:
    """A file in the folder of a change, before it takes its name.

    Attributes:
        path: the file's place on disk.
        hash: 'sha256:…' of its bytes.
    """

    path: Path
    hash: str


class Stage:
    """The folder of one change.

    Attributes:
        steps: steps of the change's journal, in order.
        folder: the folder's name, below `Places.staging`.
    """

    def __init__(self, places: Places) -> None:
        """Makes an empty folder.

        Args:
            places: places of the workspace, whose lock is held.

        Raises:
            InvalidWorkspace, OSError: it cannot be made.
        """
        self.steps: list[ChangeStep] = []
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

    def take(self, path: str, expected: FileIdentity, *, back_up: bool) -> Taken:
        """Reads a file of the user's, and copies it into the backup.

        Raises:
            Changed: it is not what it was when the change was planned.
            OSError: the system refused.
        """
        taken = Taken(self._places.root / path, path, expected)
        if back_up:
            self.back_up(path, taken)
        return taken

    def back_up(self, path: str, taken: Taken) -> None:
        """Copies a file of the user's into the backup.

        Args:
            path: the file's path in the workspace.
            taken: the file as it was read.

        Raises:
            Changed: it is something else now.
            OSError: the system refused.
        """
        copy = self._path / "backup" / FILES / path
        make_folder(copy.parent, InvalidWorkspace)
        if self._write(copy, taken.stripes()) != taken.raw:
            raise changed_meanwhile(copy)
        copy.chmod(taken.mode)
        self._backed_up[path] = taken.raw

    def write(self, stripes: Iterable[bytes], *, executable: bool = False) -> StagedFile:
        """Writes a file into the folder.

        Args:
            stripes: the file's bytes.
            executable: whether it may be run.

        Raises:
            IoError: what was written is not what is read.
            OSError: the system refused.
        """
        path = self.new_file()
        return StagedFile(path, self._write(path, stripes, EXECUTABLE if executable else PLAIN))

    def put(
        self,
        path: str,
        staged: StagedFile,
        *,
        old: str | None,
        mode: int | None = None,
        beside: str | None = None,
    ) -> None:
        """Gives a file the bytes of a staged one.

        Args:
            path: the file's path in the workspace.
            staged: the staged file.
            old: hash of the bytes that the file has, None where nothing is.
            mode: permissions that the file gets; None for those of the staged one.
            beside: where the bytes go if somebody else writes to `path` meanwhile.

        Raises:
            InvalidWorkspace: something is in the way of the folder that they go to.
            IoError: the folder may not be written to.
            OSError: the system refused.
        """
        self._check_writable(path)
        if mode is not None:
            staged.path.chmod(mode)
        name, new = staged.path.name, staged.hash
        step = ChangeStep(StepKind.WRITE, path, old=old, new=new, staged=name, beside=beside)
        self.steps.append(step)

    def remove(self, path: str, old: str, *, after: str | None = None) -> None:
        """Removes a file, which was taken with a backup.

        Args:
            path: the file's path in the workspace.
            old: hash of its bytes.
            after: path of a step without which it stays.

        Raises:
            InvalidWorkspace, IoError, OSError: as `put`.
        """
        self._check_writable(path)
        self.steps.append(ChangeStep(StepKind.REMOVE, path, old=old, after=after))

    def set_mode(self, path: str, *, executable: bool) -> None:
        """Makes a file executable, or no longer."""
        self.steps.append(ChangeStep(StepKind.MODE, path, executable=executable))

    def keep_blob(self, digest: str, data: bytes) -> None:
        """Keeps what is installed, by its SHA-256 in hexadecimal, to show differences to."""
        self._unsynced.append(self._places.blobs.put(digest, data, self.new_file()))

    def finish(self, label: str, created: datetime, version: str | None) -> str | None:
        """Makes all that was staged durable, and gives the backup its name.

        Args:
            label: what the backup is made before.
            created: the time, in UTC.
            version: the template's version before the change, None if there was none.

        Returns:
            The backup's name, None if nothing was backed up.
        """
        staged = self._path / "backup"
        if self._backed_up:
            backup = Backup("", label, created, version, self._backed_up)
            self._write(staged / ABOUT, [own_bytes(backup.to_json())])
        folders = [Path(top) for top, _, _ in os.walk(staged)]
        if self._unsynced:
            sync([*self._unsynced, *folders, self._path])
        if not self._backed_up:
            return None
        return place_backup(staged, self._places.backups, label, created)

    def journal(self, record: Record | None = None) -> ChangeJournal:
        """The journal of the change, with the record that it ends with; None where that stays."""
        return ChangeJournal(self.folder, tuple(self.steps), record)

    def _write(self, path: Path, stripes: Iterable[bytes], mode: int = PLAIN) -> str:
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


@contextlib.contextmanager
def staging(places: Places, record: Record | None = None) -> Iterator[Stage]:
    """An empty stage; if the block fails, what it has staged is cleared away.

    Args:
        places: places of the workspace, whose lock is held.
        record: record of the workspace, None where it is not at hand; then blobs that were
            kept stay until a later change.

    Raises:
        InvalidWorkspace, OSError: the stage cannot be made.
    """
    stage = Stage(places)
    try:
        yield stage
    except BaseException:
        tidy(places, record)
        raise


def checked_data(data: bytes, path: str, expected: FileIdentity) -> bytes:
    """Bytes of a template that are what was planned with.

    Raises:
        InvalidPackage: the template changed meanwhile.
    """
    if content_hash(data, path) != expected.hash:
        raise InvalidPackage(f"{path}: changed in the template while it was read; try again")
    return data


def permissions(current: int, recorded: FileIdentity | None, new: FileIdentity) -> int:
    """Permissions of a file that is replaced: its own, and what the template changed of them.

    Args:
        current: the file's permissions.
        recorded: what was installed, None for nothing.
        new: what the template holds.
    """
    if recorded is None or recorded.executable != new.executable:
        return mode_with(current, executable=new.executable)
    return current
