"""Notebooks that cannot be merged: an error of one kind, in bounded time and memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sapwood.package import canonical
from sapwood.package.canonical import UnreadableNotebook
from sapwood.workspace.notebooks.cells import MOST_CELLS
from sapwood.workspace.notebooks.merging import merge_notebook
from support.notebook_cells import book, cell, written

GOOD = written(book(cell("x = 1\n"), cell("test\n", "test", "t")))
DEEP = "[" * 900 + "]" * 900


def with_fields(**fields: Any) -> bytes:
    return written({**book(cell("x\n")), **fields})


BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "another value": b"[]",
    "format 3": with_fields(nbformat=3),
    "format 5": with_fields(nbformat=5),
    "no cells": with_fields(cells=None),
    "cells of an unknown type": with_fields(cells=[{"cell_type": "heading", "source": ""}]),
    "a cell without a source": with_fields(cells=[{"cell_type": "code"}]),
    "a source of numbers": with_fields(cells=[{"cell_type": "code", "source": [1]}]),
    "cells that are texts": with_fields(cells=["x"]),
    "metadata of a cell": with_fields(cells=[{"cell_type": "raw", "source": "", "metadata": []}]),
    "metadata": with_fields(metadata=[]),
    "a minor version that is no number": with_fields(nbformat_minor="5"),
    "true": with_fields(nbformat_minor=True),
    "an enormous minor version": with_fields(nbformat_minor=10**9),
    "a number that is too long": GOOD.replace(
        b'"nbformat_minor": 5', b'"nbformat_minor": ' + b"9" * 5000
    ),
    "a key twice": GOOD.replace(b'"nbformat": 4', b'"nbformat": 4, "nbformat": 4'),
    "too many cells": with_fields(cells=[{"cell_type": "raw", "source": ""}] * (MOST_CELLS + 1)),
    "too many values": b"[" * (canonical.MOST_VALUES + 1),
    "too large": b" " * (canonical.LARGEST_READ + 1),
    "nested too deep": GOOD.replace(
        b'"metadata": {}', b'"metadata": {"a": ' + DEEP.encode() + b"}"
    ),
}


@pytest.mark.parametrize("side", [0, 1, 2])
@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_from_each_side(name: str, side: int) -> None:
    three = [GOOD, GOOD, GOOD]
    three[side] = BAD[name]
    with pytest.raises(UnreadableNotebook):
        merge_notebook(*three)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
MARKS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "grade_id": JSON | st.sampled_from("ab"),
        "solution": JSON,
        "grade": JSON,
        "locked": JSON,
    },
)
CELL = st.fixed_dictionaries(
    {
        "cell_type": st.sampled_from(["code", "markdown", "raw"]),
        "source": st.sampled_from(["", "x", "y"]),
    },
    optional={
        "id": JSON | st.sampled_from("ab"),
        "metadata": st.fixed_dictionaries(
            {}, optional={"nbgrader": MARKS, "tags": JSON, "x": JSON}
        ),
        "outputs": JSON,
        "attachments": JSON,
    },
)
BOOK = st.fixed_dictionaries(
    {"cells": st.lists(CELL, max_size=4), "nbformat": st.just(4)},
    optional={
        "nbformat_minor": st.integers(0, 6),
        "metadata": st.dictionaries(st.text(), JSON, max_size=2),
    },
)


@given(st.tuples(BOOK, BOOK, BOOK))
def test_whatever_is_in_the_fields_a_merge_can_be_merged_again(
    books: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
) -> None:
    base, ours, theirs = (json.dumps(one).encode() for one in books)
    done = merge_notebook(base, ours, theirs)
    found = json.loads(done.data)
    if found["nbformat_minor"] >= 5:
        assert len({one["id"] for one in found["cells"]}) == len(found["cells"])
    merge_notebook(theirs, done.data, theirs)


@pytest.mark.parametrize("texts", [["same"], ["a b c", "a b d"]], ids=["equal", "alike"])
def test_as_many_cells_as_may_be(texts: list[str]) -> None:
    def many(text: str) -> bytes:
        one = {"cell_type": "raw", "metadata": {}, "source": text}
        return json.dumps({"cells": [one] * MOST_CELLS, "nbformat": 4}).encode()

    done = merge_notebook(many(texts[0]), many(texts[-1]), many(texts[0]))
    assert len(json.loads(done.data)["cells"]) == MOST_CELLS
