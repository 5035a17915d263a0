"""What counts as a change of a file: its content, not line ends, outputs or an editor's traces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sapwood.content.digests import raw_hash
from sapwood.package import canonical
from sapwood.package.canonical import content_hash, unix_ends, with_ends_of
from support.template_folders import notebook

pytestmark = pytest.mark.quick

BOOK = notebook("x = 1\nprint(x)\n", "y = 2\n")


def book_hash(data: bytes) -> str:
    return content_hash(data, "m.ipynb")


def changed(**fields: Any) -> bytes:
    """The notebook with other fields in its first cell."""
    book = json.loads(BOOK)
    book["cells"][0].update(fields)
    return json.dumps(book).encode()


SAME = {
    "run": notebook("x = 1\nprint(x)\n", "y = 2\n", outputs=True),
    "another kernel": notebook("x = 1\nprint(x)\n", "y = 2\n", kernelspec={"name": "python3"}),
    "an empty cell at the end": notebook("x = 1\nprint(x)\n", "y = 2\n", "", " \n"),
    "another layout of the JSON": json.dumps(json.loads(BOOK), indent=4).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + BOOK,
    "the source as one text": changed(source="x = 1\nprint(x)\n"),
    "line ends of Windows": changed(source=["x = 1\r\n", "print(x)\r\n"]),
    "an id": changed(id="other"),
    "an editor's metadata": changed(metadata={"collapsed": True, "scrolled": False}),
    "no tags": changed(metadata={"tags": []}),
}
OTHER = {
    "another source": changed(source="x = 2\n"),
    "another type": changed(cell_type="markdown"),
    "a tag": changed(metadata={"tags": ["solution"]}),
    "nbgrader": changed(metadata={"nbgrader": {"grade": True, "grade_id": "a"}}),
    "an attachment": changed(attachments={"a.png": {"image/png": "AAAA"}}),
    "an empty cell in between": notebook("x = 1\nprint(x)\n", "", "y = 2\n"),
    "another order": notebook("y = 2\n", "x = 1\nprint(x)\n"),
    "a cell less": notebook("x = 1\nprint(x)\n"),
}
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{ half",
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "format 3": b'{"nbformat": 3, "worksheets": []}',
    "no cells": b'{"nbformat": 4}',
    "cells that are none": b'{"nbformat": 4, "cells": [1]}',
    "a cell of another type": changed(cell_type="video"),
    "a list for a cell's type": changed(cell_type=["code"]),
    "a source that is no text": changed(source=[1]),
    "metadata that is a list": changed(metadata=[]),
    "deep nesting": b'{"nbformat": 4, "cells": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("case", SAME)
def test_notebooks_that_are_the_same(case: str) -> None:
    assert book_hash(SAME[case]) == book_hash(BOOK)
    assert book_hash(BOOK).startswith("notebook:")


@pytest.mark.parametrize("case", OTHER)
def test_notebooks_that_differ(case: str) -> None:
    assert book_hash(OTHER[case]).startswith("notebook:")
    assert book_hash(OTHER[case]) != book_hash(BOOK)


@pytest.mark.parametrize("case", UNREADABLE)
def test_notebooks_that_cannot_be_read_count_by_their_bytes(case: str) -> None:
    data = UNREADABLE[case]
    assert book_hash(data) == raw_hash([data])
    assert book_hash(data + b" ") != book_hash(data)


def test_a_notebook_of_too_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MOST_VALUES", 10)
    assert book_hash(BOOK) == raw_hash([BOOK])


def test_no_file_can_be_taken_for_the_notebook_that_it_reduces() -> None:
    reduced = canonical.reduced_notebook(BOOK)
    assert content_hash(reduced, "m.ipynb") != book_hash(BOOK)


@given(st.binary(max_size=50))
def test_the_hash_of_what_has_no_windows_ends_is_the_sha256(data: bytes) -> None:
    if b"\r\n" not in data:
        assert content_hash(data, "a") == raw_hash([data])


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))))
def test_text_counts_by_its_lines(lines: list[str]) -> None:
    unix, windows = "\n".join(lines).encode(), "\r\n".join(lines).encode()
    assert content_hash(unix, "a") == content_hash(windows, "a")
    assert with_ends_of(unix, b"a\r\nb\r\n") == windows
    assert with_ends_of(unix, b"a\r\nb\n") == unix
    assert unix_ends(windows) == unix


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_what_is_no_text_counts_by_its_bytes(a: bytes, b: bytes) -> None:
    before, after = a + b"\0\r\n" + b, a + b"\0\n" + b
    assert content_hash(before, "a") != content_hash(after, "a")
    assert with_ends_of(after, before) == after
    assert content_hash(b"\xff\r\n", "a") != content_hash(b"\xff\n", "a")
