"""What commands show of folders: a row for each file that is not the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sapwood.cli.reports import human_size, printable
from sapwood.cli.tables import shortened, show_rows
from sapwood.models import FILE_STATUSES, FileDiff

MOST_ROWS = 20
ON_THE_RIGHT = frozenset({"size", "was", "payload"})


def counted(files: Sequence[FileDiff]) -> str:
    """How many files have which status, in words."""
    found = Counter(one.status for one in files)
    kinds = [f"{found[status]} {status}" for status in FILE_STATUSES if found[status]]
    return ", ".join(kinds) or "none"


def show(files: Sequence[FileDiff], payloads: Sequence[int] | None, *, everything: bool) -> None:
    """Prints a row for each file that is not the same.

    Args:
        files: all files of the folder, changed or not.
        payloads: bytes that the patch has of each file; None where there are none to show.
        everything: whether to show all files, or 20 that are not the same.
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
        show_rows(columns, ON_THE_RIGHT, rows)
    if len(chosen) > most:
        print(f"and {len(chosen) - most} more files; --all shows them")
