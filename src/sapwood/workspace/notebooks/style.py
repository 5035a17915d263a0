"""How a notebook's JSON is written, so that a merge looks like the user's file."""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
from typing import Any

from sapwood.package import has_windows_ends

INDENT = re.compile(rb"\A(?:\xef\xbb\xbf)?\{\r?\n([ \t]*)\"")
ESCAPE = re.compile(rb"\\u[0-9a-fA-F]{4}")
COMPACT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{\"[a-z_]+\":[^ ]")


@dataclasses.dataclass(frozen=True, slots=True)
class Style:
    """A way of writing JSON.

    Attributes:
        indent: white space of one level, None for everything on one line.
        spaced: whether a space follows colons, and commas on one line.
        ascii_only: whether characters that are none of ASCII are escaped.
        sort_keys: whether the fields of objects are in order, as nbformat writes them.
        ending: last characters of the file.
        windows: whether lines end in CRLF.
        mark: whether the file begins with a byte order mark.
    """

    indent: str | None
    spaced: bool
    ascii_only: bool
    sort_keys: bool
    ending: str
    windows: bool
    mark: bool

    def written(self, value: Any) -> bytes:
        """A value as a file."""
        try:
            data = self._text(value, ascii_only=self.ascii_only).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
            data = self._text(value, ascii_only=True).encode()
        if self.windows:
            data = data.replace(b"\n", b"\r\n")
        return codecs.BOM_UTF8 + data if self.mark else data

    def _text(self, value: Any, *, ascii_only: bool) -> str:
        comma = ", " if self.spaced and self.indent is None else ","
        text = json.dumps(
            value,
            indent=self.indent,
            separators=(comma, ": " if self.spaced else ":"),
            ensure_ascii=ascii_only,
            sort_keys=self.sort_keys,
        )
        return text + self.ending


def style_of(data: bytes, value: Any) -> Style:
    """The way in which a file was written.

    Args:
        data: the file's bytes.
        value: JSON values that it holds.
    """
    found = INDENT.search(data[:1024])
    ends = len(data) - len(data.rstrip(b"\r\n"))
    return Style(
        indent=None if found is None else found[1].decode(),
        spaced=COMPACT.search(data[:1024]) is None,
        ascii_only=data.isascii() and ESCAPE.search(data) is not None,
        sort_keys=_in_order(value),
        ending="\n" if ends else "",
        windows=has_windows_ends(data),
        mark=data.startswith(codecs.BOM_UTF8),
    )


def _in_order(value: Any) -> bool:
    """Whether the fields of all objects are in order."""
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(map(_in_order, value.values()))
    return not isinstance(value, list) or all(map(_in_order, value))
