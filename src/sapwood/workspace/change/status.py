"""What the user has done to the files that were installed. Changes nothing of theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sapwood.errors import InputError
from sapwood.files.reading import read_whole
from sapwood.files.stamps import Stamps
from sapwood.package import LARGEST_READ
from sapwood.workspace.change.lcs import MOST_PAIRS
from sapwood.workspace.change.results import FileStatus, Status
from sapwood.workspace.change.texts import LineChanges, count_changes, shown_text
from sapwood.workspace.disk.scanning import Disk, scan
from sapwood.workspace.disk.states import Blocked, state_of
from sapwood.workspace.record.journal import read_journal
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import Record


def status_of(places: Places, record: Record) -> Status:
    """How a workspace is.

    Args:
        places: places of the workspace.
        record: record of the workspace.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: the journal is damaged, or too new.
        OSError: something cannot be read.
    """
    stamps = Stamps(places.stamps)
    files = tuple(file_statuses(places, record, stamps))
    stamps.keep()
    return Status(record, files, read_journal(places) is not None)


def file_statuses(places: Places, record: Record, stamps: Stamps) -> Iterator[FileStatus]:
    """How each installed file is, in the record's order.

    Args:
        places: places of the workspace.
        record: record of the workspace.
        stamps: hashes of files that were looked at before.

    Raises:
        OSError: something cannot be read.
    """
    found = scan(places.root, record.files, stamps)
    for path, entry in record.files.items():
        there = found[path]
        state = state_of(entry.identity, there, entry.identity)
        reason = there.reason if isinstance(there, Blocked) else None
        yield FileStatus(path, state, entry.version, reason)


def changed_lines(
    places: Places, record: Record, path: str, most_pairs: int = MOST_PAIRS
) -> LineChanges | None:
    """How many lines of an installed file the user has added and removed.

    Args:
        places: places of the workspace.
        record: record of the workspace.
        path: path of the file.
        most_pairs: pairs of lines that are compared at most.

    Returns:
        The numbers; None of files that are no text or too long to compare, and of those whose
        installed bytes are not kept.

    Raises:
        InputError: the record has no such file.
        InvalidWorkspace: what was installed is missing or damaged.
        OSError: something cannot be read.
    """
    entry = record.files.get(path)
    if entry is None:
        raise InputError(f"{path!r:.200}: expected a file that was installed")
    if entry.blob is None:
        return None
    base = places.blobs.get(entry.blob, entry.size)
    there = isinstance(Disk(places.root).status(path), os.stat_result)
    data = read_whole(places.root / path, LARGEST_READ) if there else b""
    if data is None:
        return None
    return count_changes(shown_text(base, path), shown_text(data, path), most_pairs)
