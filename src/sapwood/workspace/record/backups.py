"""Backups: what a change replaced or removed, each in a folder of its own that never changes.

`.NAME/backups/LABEL_DATE_TIME/files/` holds the files under the paths that they had,
`backup.json` beside it says when and why, and their digests.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable, portable_name
from sapwood.errors import InputError, InvalidWorkspace, UnsupportedWorkspace
from sapwood.files.folders import make_folder
from sapwood.files.paths import is_folder, is_there
from sapwood.files.reading import read_whole
from sapwood.files.syncing import rename_durably
from sapwood.workspace.record.record import HASH, LARGEST, own_fields, read_time, written_time

FORMAT = "sapwood-backup"
SCHEMA = 1
ABOUT = "backup.json"
FILES = "files"
NAME = re.compile(r"[A-Za-z0-9._+-]{1,200}")


@dataclasses.dataclass(frozen=True, slots=True)
class Backup:
    """One backup.

    Attributes:
        name: name of the backup's folder.
        label: change that it was made before: 'init', 'update', 'restore', 'export', or the name
            of the module that was updated or reset.
        created: the time, in UTC.
        version: the template's version before the change; None where the change tells none.
        files: 'sha256:…' of the bytes that were there, by path.
    """

    name: str
    label: str
    created: datetime
    version: str | None
    files: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """What `backup.json` holds."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "label": self.label,
            "created": written_time(self.created),
            "version": self.version,
            "files": dict(sorted(self.files.items())),
        }


def place_backup(staged: Path, backups: Path, label: str, created: datetime) -> str:
    """Gives a backup that was staged and synced its name.

    Two in one second, or after the clock was set back, get a number behind it. No backup
    is ever written into another one.

    Args:
        staged: folder of the backup.
        backups: folder that it goes to.
        label: beginning of its name.
        created: the time, in UTC.

    Returns:
        The name.

    Raises:
        InvalidWorkspace: something is in the way of the folder of backups.
        OSError: the system refused.
    """
    make_folder(backups, InvalidWorkspace)
    base = f"{label}_{created:%Y%m%d_%H%M%S}"
    for number in itertools.count(1):
        name = base if number == 1 else f"{base}_{number}"
        # Only whoever holds the workspace's lock comes here.
        if not is_there(backups / name):
            rename_durably(staged, backups / name)
            return name
    raise AssertionError("numbers do not end")


def read_backup(backups: Path, name: str) -> Backup:
    """One backup.

    Args:
        backups: folder of all backups.
        name: name of the backup.

    Raises:
        InputError: there is none of that name.
        InvalidWorkspace, UnsupportedWorkspace: it is damaged, or too new.
        OSError: it cannot be read.
    """
    folder = backups / name
    if not NAME.fullmatch(name) or portable_name(name) is not None or not is_folder(folder):
        raise InputError(f"{name!r:.200}: no such backup; 'backups list' names them")
    where = f"{name}/{ABOUT}"
    try:
        data = read_whole(folder / ABOUT, LARGEST)
    except FileNotFoundError as e:
        raise InvalidWorkspace(f"{where}: missing; the files lie in {folder / FILES}") from e
    fields = own_fields(data or b"", where, f"the files lie in {folder / FILES}")
    if fields.text("format") != FORMAT:
        raise fields.fail("format", f"expected {FORMAT!r}")
    if fields.size("schema") > SCHEMA:
        raise UnsupportedWorkspace(f"{where}: written by a newer program; update sapwood")
    return Backup(
        name=name,
        label=fields.text("label"),
        created=read_time(fields, "created"),
        version=fields.optional_text("version", null=True),
        files=_digests(fields),
    )


def _digests(fields: Fields) -> dict[str, str]:
    """'sha256:…' of the bytes of a backup's files, by path."""
    files = fields.object("files").every_text()
    for path, digest in files.items():
        if portable(path) is not None or not HASH.fullmatch(digest):
            raise fields.fail("files", f"expected a path and a digest, found {path!r:.80}")
    return files


def list_backups(backups: Path) -> list[Backup]:
    """All backups, the oldest first.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: one is damaged, or too new.
        OSError: one cannot be read.
    """
    if not is_folder(backups):
        return []
    names = [one.name for one in backups.iterdir() if is_folder(one) and NAME.fullmatch(one.name)]
    found = [read_backup(backups, name) for name in names]
    return sorted(found, key=lambda one: (one.created, _natural(one.name)))


def _natural(name: str) -> tuple[str, int]:
    """The order of names in which _10 comes after _2."""
    head, _, tail = name.rpartition("_")
    short = tail.isdecimal() and len(tail) < 6
    return (head, int(tail)) if short else (name, 1)
