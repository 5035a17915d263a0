"""Hashes that say whether somebody changed a file: by its content, not its bytes.

- Text with CRLF counts as the same text with LF: editors and git change line ends.
- Notebooks count by their cells: type, source, tags, attachments and what nbgrader keeps.
  Outputs, execution counts, cell ids, the kernel's and editor's metadata and empty cells
  at the end do not count. A notebook that cannot be read counts by its bytes.
- Everything else, and what is larger than LARGEST_READ, counts by its bytes.

A hash names its kind, so that no notebook can be taken for the text that it reduces to.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

from sapwood.content.digests import raw_hash

AS_NOTEBOOK = "notebook:"  # begins the hash of what counts by its cells
LARGEST_READ = 16 << 20  # bytes of a file that is looked into
NOTEBOOK = ".ipynb"
MOST_VALUES = 1_000_000  # commas and brackets of a notebook, a bound on what parsing takes
CELLS = frozenset({"code", "markdown", "raw"})


@dataclasses.dataclass(frozen=True, slots=True)
class FileIdentity:
    """What makes two versions of a file the same or not.

    Attributes:
        hash: the file's canonical hash, as `content_hash` gives it.
        executable: whether its owner may run it.
    """

    hash: str
    executable: bool = False

    @property
    def by_cells(self) -> bool:
        """Whether the file counts by its cells, as a notebook that can be read."""
        return self.hash.startswith(AS_NOTEBOOK)


class UnreadableNotebook(ValueError):
    """What should be a notebook is none, or more than bounded memory could hold."""


def content_hash(data: bytes, path: str) -> str:
    """The canonical hash of a file's bytes.

    Args:
        data: at most LARGEST_READ bytes; larger files count by `raw_hash`.
        path: path of the file; its ending tells notebooks.

    Returns:
        'sha256:' or 'notebook:' and 64 hexadecimal digits.
    """
    if path.endswith(NOTEBOOK):
        try:
            return f"{AS_NOTEBOOK}{hashlib.sha256(reduced_notebook(data)).hexdigest()}"
        except UnreadableNotebook:
            return raw_hash([data])
    return raw_hash([unix_ends(data)])


def unix_ends(data: bytes) -> bytes:
    """Text with LF for each CRLF; anything that is no UTF-8 text as it is."""
    if b"\r\n" not in data or not holds_text(data):
        return data
    return data.replace(b"\r\n", b"\n")


def has_windows_ends(data: bytes) -> bool:
    """Whether each line of a text ends in CRLF."""
    count = data.count(b"\r\n")
    return count > 0 and count == data.count(b"\n") and holds_text(data)


def with_ends_of(data: bytes, other: bytes) -> bytes:
    """A text with the line ends of another; what is no text as it is."""
    if not has_windows_ends(other) or not holds_text(data):
        return data
    return unix_ends(data).replace(b"\n", b"\r\n")


def holds_text(data: bytes) -> bool:
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
        UnreadableNotebook: it is no notebook of format 4.
    """
    book = parsed_notebook(data)
    try:
        cells = [reduced_cell(one) for one in book["cells"]]
        while cells and _is_blank(cells[-1]):
            cells.pop()
        return json.dumps(cells, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as e:
        raise UnreadableNotebook(str(e)) from e


def parsed_notebook(
    data: bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> dict[str, Any]:
    """The JSON values of a notebook, in bounded memory; its `cells` are a list.

    Args:
        data: the file's bytes.
        pairs: makes the value of an object of its fields; raises ValueError for those that it
            refuses.

    Raises:
        UnreadableNotebook: it is no notebook of format 4.
    """
    if sum(data.count(one) for one in (b",", b"[", b"{")) > MOST_VALUES:
        raise UnreadableNotebook("too many values")
    try:
        book = json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as e:
        raise UnreadableNotebook(str(e)) from e
    if not isinstance(book, dict) or book.get("nbformat") != 4:
        raise UnreadableNotebook("expected a notebook of format 4")
    _listed(book.get("cells"))
    return book


def reduced_cell(cell: Any) -> dict[str, Any]:
    """What counts of a cell.

    Raises:
        UnreadableNotebook: it is no cell of a notebook.
    """
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    if not isinstance(kind, str) or kind not in CELLS:
        raise UnreadableNotebook("a cell of an unknown type")
    metadata = cell.get("metadata", {})
    if not isinstance(metadata, dict):
        raise UnreadableNotebook("metadata that is no object")
    counted = {
        "type": kind,
        "source": _joined(cell.get("source")),
        "tags": metadata.get("tags") or None,
        "nbgrader": metadata.get("nbgrader"),
        "attachments": cell.get("attachments") or None,
    }
    return {name: value for name, value in counted.items() if value is not None}


def _is_blank(cell: dict[str, Any]) -> bool:
    """Whether a reduced cell is one that an editor adds: no text, and nothing marks it."""
    return cell.keys() == {"type", "source"} and not cell["source"].strip()


def _joined(source: Any) -> str:
    """The source of a cell, which is a text or its lines, as one text.

    Raises:
        UnreadableNotebook: it is neither.
    """
    lines = [source] if isinstance(source, str) else _listed(source)
    if not all(isinstance(one, str) for one in lines):
        raise UnreadableNotebook("a source that is no text")
    return "".join(lines).replace("\r\n", "\n")


def _listed(value: Any) -> list[Any]:
    """A value that has to be a list.

    Raises:
        UnreadableNotebook: it is none.
    """
    if not isinstance(value, list):
        raise UnreadableNotebook(f"expected a list, found {type(value).__name__}")
    return value
