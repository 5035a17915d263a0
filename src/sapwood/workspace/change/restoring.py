"""Puts files of a backup back: stages them as any other change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sapwood.errors import Changed, InputError, InvalidWorkspace, IoError
from sapwood.files.reading import read_stripes
from sapwood.files.stamps import Stamps
from sapwood.package import FileIdentity
from sapwood.workspace.change.applying import commit, tidy
from sapwood.workspace.change.results import Restored
from sapwood.workspace.change.staging import ChangedMeanwhile, Stage
from sapwood.workspace.disk.scanning import UNREADABLE, Disk
from sapwood.workspace.disk.states import Blocked
from sapwood.workspace.record.backups import FILES, read_backup
from sapwood.workspace.record.journal import ChangeJournal
from sapwood.workspace.record.places import Places


def restore_files(
    places: Places, backup: str, paths: Sequence[str] | None, now: datetime
) -> Restored:
    """Puts files of a backup back, with nothing left to recover.

    Args:
        places: of the workspace, whose lock is held.
        backup: its name.
        paths: of the files; None for all of the backup.
        now: the time.

    Raises:
        InputError: there is no such backup, or the file is not in it.
        InvalidWorkspace: the backup is damaged, or something is in the way.
        IoError, OSError: the system refused.
    """
    chosen = _chosen_files(places, backup, paths)
    stage = Stage(places)
    try:
        done = _stage_restore(places, backup, chosen, stage)
        saved = stage.finish("restore", now, None)
    except ChangedMeanwhile as e:
        tidy(places, None)
        raise Changed(f"{e}: is being written to; try again when it is not") from e
    except BaseException:
        tidy(places, None)
        raise
    missed: tuple[str, ...] = ()
    if stage.steps:
        missed = commit(places, ChangeJournal(stage.folder, tuple(stage.steps), None), None)
    else:
        tidy(places, None)
    unchanged = tuple(path for path in chosen if path not in done)
    return Restored(tuple(done), unchanged, saved, missed)


def _chosen_files(places: Places, name: str, paths: Sequence[str] | None) -> dict[str, str]:
    """The files of a backup that are asked for, with their hashes.

    Raises:
        InputError: there is no such backup, or it has no such file.
        InvalidWorkspace: it is damaged.
        OSError: it cannot be read.
    """
    backup = read_backup(places.backups, name)
    for path in paths or ():
        if path not in backup.files:
            raise InputError(f"{path!r:.200}: not in the backup {name}")
    return {path: backup.files[path] for path in (backup.files if paths is None else paths)}


def _stage_restore(places: Places, name: str, files: Mapping[str, str], stage: Stage) -> list[str]:
    """Stages what differs from a backup.

    Args:
        places: of the workspace, whose lock is held.
        name: of the backup.
        files: of it that are wanted, with their hashes.
        stage: that the steps go to.

    Returns:
        The paths that differ.

    Raises:
        InvalidWorkspace: the backup is damaged, or something is in the way.
        ChangedMeanwhile: somebody is writing to one of the files.
        IoError, OSError: the system refused.
    """
    folder = places.backups / name / FILES
    disk, stamps = Disk(places.root), Stamps(places.stamps)
    copies = Disk(folder)
    done = []
    for path, expected in files.items():
        held = copies.raw(path)
        if held == UNREADABLE:
            raise IoError(f"{folder / path}: Permission denied; nothing was restored")
        if held != expected:
            raise InvalidWorkspace(f"{folder / path}: damaged; nothing was restored")
        old: str | None = None
        raw, there = disk.raw(path), disk.found(path, stamps)
        if raw == expected:
            continue
        if isinstance(there, Blocked):
            raise InvalidWorkspace(f"{path}: {there.reason} is in the way; move it away")
        if isinstance(there, FileIdentity):
            old = stage.take(path, there, back_up=True).raw
        mode = (folder / path).lstat().st_mode & 0o777
        new = stage.put(path, read_stripes(folder / path), old=old, mode=mode)
        if new != expected:
            raise InvalidWorkspace(f"{folder / path}: damaged; nothing was restored")
        done.append(path)
    stamps.drop()
    return done
