"""Puts files of a backup back: stages them as any other change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sapwood.errors import InputError, InvalidWorkspace, IoError
from sapwood.files.reading import read_stripes
from sapwood.files.stamps import Stamps
from sapwood.workspace.change.applying import commit
from sapwood.workspace.change.results import Restored
from sapwood.workspace.change.staging import Stage, staging
from sapwood.workspace.disk.scanning import UNREADABLE, Disk
from sapwood.workspace.disk.states import Blocked
from sapwood.workspace.record.backups import FILES, read_backup
from sapwood.workspace.record.places import Places


def restore_files(
    places: Places, backup: str, paths: Sequence[str] | None, now: datetime
) -> Restored:
    """Puts files of a backup back, with nothing left to recover.

    Args:
        places: places of the workspace, whose lock is held.
        backup: name of the backup.
        paths: paths of the files; None for all of the backup.
        now: the time.

    Raises:
        InputError: there is no such backup, or the file is not in it.
        InvalidWorkspace: the backup is damaged, or something is in the way.
        Changed: somebody is writing to one of the files.
        IoError, OSError: the system refused.
    """
    held = read_backup(places.backups, backup).files
    for path in paths or ():
        if path not in held:
            raise InputError(f"{path!r:.200}: not in the backup {backup}")
    chosen = {path: held[path] for path in (held if paths is None else paths)}
    with staging(places) as stage:
        done = _stage_restore(places, backup, chosen, stage)
        saved = stage.finish("restore", now, None)
    missed = commit(places, stage.journal(), None)
    unchanged = tuple(path for path in chosen if path not in done)
    return Restored(tuple(done), unchanged, saved, missed)


def _stage_restore(places: Places, name: str, files: Mapping[str, str], stage: Stage) -> list[str]:
    """Stages what differs from a backup.

    Args:
        places: places of the workspace, whose lock is held.
        name: name of the backup.
        files: 'sha256:…' of the bytes of the files that are wanted, by path.
        stage: stage that the steps go to.

    Returns:
        The paths that differ.

    Raises:
        InvalidWorkspace: the backup is damaged, or something is in the way.
        Changed: somebody is writing to one of the files.
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
        raw, there = disk.raw(path), disk.found(path, stamps)
        if raw == expected:
            continue
        if isinstance(there, Blocked):
            raise InvalidWorkspace(f"{path}: {there.reason} is in the way; move it away")
        old = None if there is None else stage.take(path, there, back_up=True).raw
        staged = stage.write(read_stripes(folder / path))
        if staged.hash != expected:
            raise InvalidWorkspace(f"{folder / path}: damaged; nothing was restored")
        mode = (folder / path).lstat().st_mode & 0o777
        stage.put(path, staged, old=old, mode=mode)
        done.append(path)
    stamps.drop()
    return done
