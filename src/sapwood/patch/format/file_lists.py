"""The files of a folder in the header of a patch: paths that lead out of no folder.

A folder is patched as the bytes of its files, one after another in the order of their
paths. The paths come from whoever made the patch. What is checked here is what the format
demands of every list that is parsed, enough to read the files of a base. Whoever makes a file of
such a name asks more of it first: `documents.paths.portable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sapwood.documents.fields import Fields
from sapwood.documents.paths import within
from sapwood.errors import InvalidPatch
from sapwood.files.trees import MOST_FILES, FileEntry


def parse_files(fields: Fields, size: int) -> tuple[FileEntry, ...] | None:
    """The field `files` of a base or target, or None where there is none.

    Args:
        fields: the fields of the base or target.
        size: bytes that the files must have together.

    Raises:
        InvalidPatch: they are not the files of a folder in their one order.
    """
    if "files" not in fields:
        return None
    where = f"{fields.where}.files"
    given = fields.objects("files")
    if len(given) > MOST_FILES:
        raise InvalidPatch(f"{where}: expected at most {MOST_FILES} files, found {len(given)}")
    files = tuple(
        FileEntry(one.text("path"), one.size("size"), one.flag("executable")) for one in given
    )
    _check_files(files, where)
    total = sum(one.size for one in files)
    if total != size:
        raise InvalidPatch(f"{where}: expected files of {size} bytes together, found {total}")
    return files


def _check_files(files: Sequence[FileEntry], where: str) -> None:
    """That paths are safe, in order, each once, and none a folder of another.

    Raises:
        InvalidPatch: they are not.
    """
    seen: set[str] = set()
    before = ""
    for i, one in enumerate(files):
        fault = within(one.path)
        if fault is not None:
            raise InvalidPatch(f"{where}[{i}].path: {one.path[:80]!a}: {fault}")
        if one.path <= before:
            raise InvalidPatch(f"{where}[{i}].path: expected ascending paths, each once")
        before = one.path
        seen.add(one.path)
    for i, one in enumerate(files):
        # A folder sorts before what is in it.
        if any(folder in seen for folder in _folders_of(one.path)):
            raise InvalidPatch(f"{where}[{i}].path: a folder that it is in is a file")


def _folders_of(path: str) -> list[str]:
    """The folders that a file is in, the outermost first."""
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def files_fields(files: Sequence[FileEntry]) -> list[dict[str, Any]]:
    """The field `files` as JSON values."""
    return [
        {"path": one.path, "size": one.size, **({"executable": True} if one.executable else {})}
        for one in files
    ]
