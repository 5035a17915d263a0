"""Where the journal of an update in place lies, and which files have one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from blake3 import blake3

from sapwood.files.paths import SHOWN, path_name
from sapwood.files.sources import Source

ENDING = "sapwood-journal"
LONGEST_NAME = 200  # bytes of a file's name that a journal's can hold


def journal_path(path: Path) -> Path:
    """Where the journal of a file is, if it has one.

    Args:
        path: with symbolic links resolved.
    """
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{name[:SHOWN]}.{blake3(os.fsencode(name)).hexdigest(8)}"
    return path.with_name(f".{name}.{ENDING}")


def unfinished(sources: Sequence[Source]) -> str:
    """What to say of files among the sources that are half updated in place."""
    paths = [path_name(one) for one in sources if isinstance(one, str | os.PathLike)]
    half = [path for path in paths if os.path.lexists(journal_path(Path(os.path.realpath(path))))]
    if not half:
        return ""
    return (
        f"; an update in place of {', '.join(half)} was begun and is not over: go on with it by "
        "'sapwood apply --in-place', or have the base back by 'sapwood roll-back'"
    )
