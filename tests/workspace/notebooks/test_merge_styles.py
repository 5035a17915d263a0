"""A merged notebook is written as the user's file is: indents, line ends, escapes, order."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

import pytest

from sapwood.workspace.notebooks.merging import merge_notebook
from support.notebook_cells import book, cell, check_sound, lines, sources, written


def two(first: str, second: str) -> dict[str, Any]:
    return book(cell(first, cell_id="a"), cell(second, cell_id="b"), title="ä")


BASE = two("x = 'é🌱'\n", "y = 1\n")
OURS = two("x = 'é🌱'\n", "y = 2\n")
THEIRS = two("x = 'ü'\nz = 3\n", "y = 1\n")
EXPECTED = ["x = 'ü'\nz = 3\n", "y = 2\n"]


def plain(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


STYLES: dict[str, Callable[[Any], bytes]] = {
    "nbformat": written,
    "two spaces": lambda one: plain(one, indent=2, ensure_ascii=False) + b"\n",
    "tabs": lambda one: plain(one, indent="\t", ensure_ascii=False),
    "no spaces at all": lambda one: plain(one, indent=0, ensure_ascii=False),
    "escapes": lambda one: plain(one, indent=1),
    "one line": plain,
    "one short line": lambda one: plain(one, separators=(",", ":"), ensure_ascii=False) + b"\n",
    "windows": lambda one: written(one).replace(b"\n", b"\r\n"),
    "windows, no end": lambda one: plain(one, indent=1).replace(b"\n", b"\r\n"),
    "a byte order mark": lambda one: codecs.BOM_UTF8 + written(one),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_style_is_the_users(style: Callable[[Any], bytes]) -> None:
    done = merge_notebook(written(BASE), style(OURS), plain(THEIRS))
    found = json.loads(done.data.decode("utf-8-sig"))
    assert done.data == style(found)
    assert sources(done.data.removeprefix(codecs.BOM_UTF8)) == EXPECTED
    check_sound(done.data)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_merge_that_takes_nothing_gives_the_users_bytes(style: Callable[[Any], bytes]) -> None:
    assert merge_notebook(written(BASE), style(OURS), written(BASE)).data == style(OURS)


def test_sources_are_lists_or_texts_as_the_users_are() -> None:
    joined = {**OURS, "cells": [{**one, "source": "".join(one["source"])} for one in OURS["cells"]]}
    done = merge_notebook(written(BASE), written(joined), written(THEIRS))
    assert [one["source"] for one in json.loads(done.data)["cells"]] == EXPECTED
    done = merge_notebook(written(BASE), written(OURS), written(THEIRS))
    assert [one["source"] for one in json.loads(done.data)["cells"]] == [*map(lines, EXPECTED)]


def test_windows_ends_in_sources_are_no_edits() -> None:
    test = cell("assert x\nassert y\n", "test", "t")
    free = cell("x = 1\ny = 2\n")
    typed = [
        {**one, "source": [a.replace("\n", "\r\n") for a in one["source"]]} for one in (test, free)
    ]
    new = book(test, free, cell("new\n"))
    done = merge_notebook(written(book(test, free)), written(book(*typed)), written(new))
    found = json.loads(done.data)["cells"]
    assert done.reports == ()
    assert found[0]["source"] == test["source"]  # nbgrader's checksum counts them
    assert found[1]["source"] == typed[1]["source"]
    check_sound(done.data)


def test_half_of_a_surrogate_pair_stays_an_escape() -> None:
    ours = written(OURS).replace("🌱".encode(), b"\\ud83c")
    done = merge_notebook(written(BASE), ours, written(BASE))
    assert json.loads(done.data) == json.loads(ours)


def test_other_line_separators_do_not_end_lines() -> None:
    theirs = two("", "y = 1\n")
    theirs["cells"][0]["source"] = ["a\x0cb\u2028c\r\n", "d"]
    done = merge_notebook(written(BASE), written(OURS), written(theirs))
    assert json.loads(done.data)["cells"][0]["source"] == ["a\x0cb\u2028c\r\n", "d"]
