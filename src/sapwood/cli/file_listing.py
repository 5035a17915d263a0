"""What commands show of folders: a row for each file that is not the same."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from sapwood.cli.reports import human_size, printable
from sapwood.cli.tables import shortened, show_rows
from sapwood.files.trees import FileEntry
from sapwood.models import FileDiff
from sapwood.models.comparing.file_diffs import FILE_STATUSES, FileStatus
from sapwood.patch.format.front import Front, Segment
from sapwood.patch.format.predictions import BaseRange

MOST_ROWS = 20
ON_THE_RIGHT = frozenset({"size", "was", "payload"})


def patched_files(front: Front) -> Iterator[tuple[FileDiff, int]]:
    """The files of a patch's target, then those that its first base alone has.

    With each how many bytes of payload belong to the segments that begin in it.
    """
    header = front.header
    old = places(header.bases[0].files or ())
    starts = [segment.target_offset for segment in front.segments]
    new = places(header.target.files or ())
    for path, (entry, begin) in new.items():
        first = bisect_left(starts, begin)
        last = bisect_left(starts, begin + entry.size, lo=first)
        payload = sum(one.payload_size for one in front.segments[first:last])
        status: FileStatus = "added"
        size = None
        if path in old:
            before, at = old[path]
            size = before.size
            # A segment that began in the file before may reach into this one.
            own = front.segments[max(0, first - 1) : last]
            same = before == entry and all(stays(one, begin, entry.size, at) for one in own)
            status = "unchanged" if same else "changed"
        yield FileDiff(path, status, entry.size, size), payload
    for path, (entry, _) in old.items():
        if path not in new and new:
            yield FileDiff(path, "removed", None, entry.size), 0


def places(files: Sequence[FileEntry]) -> dict[str, tuple[FileEntry, int]]:
    """Files by path, with where each begins in the whole."""
    starts = accumulate((one.size for one in files), initial=0)
    return {one.path: (one, start) for one, start in zip(files, starts, strict=False)}


def stays(segment: Segment, begin: int, size: int, base: int) -> bool:
    """Whether what a segment has of a file is copied from one place of the base."""
    ends_before = segment.target_offset + segment.nbytes <= begin
    if ends_before or segment.target_offset >= begin + size:
        return True
    return (
        segment.unchanged
        and isinstance(segment.prediction, BaseRange)
        and segment.prediction.base == 0
        and segment.prediction.offset - segment.target_offset == base - begin
    )


def facts(files: Sequence[FileDiff]) -> list[dict[str, Any]]:
    """Files as JSON values."""
    return [
        {"path": one.path, "status": one.status, "size": one.size, "base_size": one.base_size}
        for one in files
    ]


def counted(files: Sequence[FileDiff]) -> str:
    """How many files have which status, in words."""
    found = Counter(one.status for one in files)
    kinds = [f"{found[status]} {status}" for status in FILE_STATUSES if found[status]]
    return ", ".join(kinds) or "none"


def show(
    files: Sequence[FileDiff], payloads: Sequence[int] | None, *, everything: bool, terminal: bool
) -> None:
    """Prints a row for each file that is not the same.

    Args:
        files: all.
        payloads: of each, bytes; None where there are none to show.
        everything: whether to show all files, or 20 that are not the same.
        terminal: whether to draw a table, or to align plain text.
    """
    columns = ("file", "status", "size", "was", *(("payload",) if payloads is not None else ()))
    sizes = payloads or [0] * len(files)
    chosen = [
        (one, size)
        for one, size in zip(files, sizes, strict=True)
        if everything or one.status != "unchanged"
    ]
    chosen.sort(key=lambda pair: -pair[1])
    most = len(chosen) if everything else MOST_ROWS
    rows = [
        (
            shortened(printable(one.path)),
            one.status,
            "" if one.size is None else human_size(one.size),
            "" if one.base_size is None else human_size(one.base_size),
            human_size(size),
        )[: len(columns)]
        for one, size in chosen[:most]
    ]
    if rows:
        print()
        show_rows(columns, ON_THE_RIGHT, rows, terminal=terminal)
    if len(chosen) > most:
        print(f"and {len(chosen) - most} more files; --all shows them")
