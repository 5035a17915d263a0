"""Hashes that say whether somebody changed a file: by its content, not its bytes.

- Text with CRLF counts as the same text with LF: editors and git change line ends.
- Notebooks count by their cells: type, source, tags, attachments and what nbgrader keeps.
  Outputs, execution counts, cell ids, the kernel's and editor's metadata and empty cells
  at the end do not count. A notebook that cannot be read counts by its bytes.
- Everything else, and what is larger than LARGEST, counts by its bytes.

A hash names its kind, so that no notebook can be taken for the text that it reduces to.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from sapwood.content.digests import raw_hash

AS_NOTEBOOK = "notebook:"  # begins the hash of what counts by its cells
LARGEST = 16 << 20  # bytes of a file that is looked into
NOTEBOOK = ".ipynb"
MOST_VALUES = 1_000_000  # commas and brackets of a notebook, a bound on what parsing takes
CELLS = frozenset({"code", "markdown", "raw"})

PairsHook: TypeAlias = Callable[[list[tuple[str, Any]]], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class FileIdentity:
    """What makes two versions of a file the same or not.

    Attributes:
        hash: the file's canonical hash, as `content_hash` gives it.
        executable: whether its owner may run it.
    """

    hash: str
    executable: bool = False


class Unreadable(ValueError):
    """What should be a notebook is none, or more than bounded memory could hold."""


def content_hash(data: bytes, path: str) -> str:
    """The canonical hash of a file's bytes.

    Args:
        data: at most LARGEST bytes; larger files count by `raw_hash`.
        path: path of the file; its ending tells notebooks.

    Returns:
        'sha256:' or 'notebook:' and 64 hexadecimal digits.
    """
    if path.endswith(NOTEBOOK):
        try:
            return f"{AS_NOTEBOOK}{hashlib.sha256(reduced_notebook(data)).hexdigest()}"
        except Unreadable:
            return raw_hash([data])
    return raw_hash([unix_ends(data)])


def unix_ends(data: bytes) -> bytes:
    """Text with LF for each CRLF; anything that is no UTF-8 text as it is."""
    if b"\r\n" not in data or not is_text(data):
        return data
    return data.replace(b"\r\n", b"\n")


def has_windows_ends(data: bytes) -> bool:
    """Whether each line of a text ends in CRLF."""
    count = data.count(b"\r\n")
    return count > 0 and count == data.count(b"\n") and is_text(data)


def with_ends_of(data: bytes, other: bytes) -> bytes:
    """A text with the line ends of another; what is no text as it is."""
    if not has_windows_ends(other) or not is_text(data):
        return data
    return unix_ends(data).replace(b"\n", b"\r\n")


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 text, as far as line ends are concerned."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def reduced_notebook(data: bytes) -> bytes:
    """What counts of a notebook, as canonical JSON.

    Raises:
        Unreadable: it is no notebook of format 4.
    """
    book = parsed_notebook(data)
    try:
        cells = [reduced_cell(one) for one in listed(book.get("cells"))]
        while cells and _is_blank(cells[-1]):
            cells.pop()
        return json.dumps(cells, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as e:
        raise Unreadable(str(e)) from e


def parsed_notebook(data: bytes, pairs: PairsHook | None = None) -> dict[str, Any]:
    """The JSON values of a notebook, in bounded memory.

    Args:
        data: the file's bytes.
        pairs: makes the value of an object of its fields; raises ValueError for those that it
            refuses.

    Raises:
        Unreadable: it is no notebook of format 4.
    """
    if sum(data.count(one) for one in (b",", b"[", b"{")) > MOST_VALUES:
        raise Unreadable("too many values")
    try:
        book = json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as e:
        raise Unreadable(str(e)) from e
    if not isinstance(book, dict) or book.get("nbformat") != 4:
        raise Unreadable("expected a notebook of format 4")
    return book


def reduced_cell(cell: Any) -> dict[str, Any]:
    """What counts of a cell.

    Raises:
        Unreadable: it is no cell of a notebook.
    """
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    if not isinstance(kind, str) or kind not in CELLS:
        raise Unreadable("a cell of an unknown type")
    metadata = cell.get("metadata", {})
    if not isinstance(metadata, dict):
        raise Unreadable("metadata that is no object")
    counted = {
        "type": kind,
        "source": joined(cell.get("source")),
        "tags": metadata.get("tags") or None,
        "nbgrader": metadata.get("nbgrader"),
        "attachments": cell.get("attachments") or None,
    }
    return {name: value for name, value in counted.items() if value is not None}


def _is_blank(cell: dict[str, Any]) -> bool:
    """Whether a reduced cell is one that an editor adds: no text, and nothing marks it."""
    return cell.keys() == {"type", "source"} and not cell["source"].strip()


def joined(source: Any) -> str:
    """The source of a cell, which is a text or its lines, as one text.

    Raises:
        Unreadable: it is neither.
    """
    lines = [source] if isinstance(source, str) else listed(source)
    if not all(isinstance(one, str) for one in lines):
        raise Unreadable("a source that is no text")
    return "".join(lines).replace("\r\n", "\n")


def listed(value: Any) -> list[Any]:
    """A value that has to be a list.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(value, list):
        raise Unreadable(f"expected a list, found {type(value).__name__}")
    return value
