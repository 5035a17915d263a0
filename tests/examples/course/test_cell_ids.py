"""Laws of the ids that cells of the example course keep from release to release."""

from __future__ import annotations

import re
import runpy
from typing import Any

from hypothesis import given, strategies as st

from support.places import EXAMPLES

SOURCE = EXAMPLES / "course" / "cell_ids.py"
MODULE = runpy.run_path(str(SOURCE), run_name="cell_ids")
Cell, cell_ids = MODULE["Cell"], MODULE["cell_ids"]

SENTENCES = [
    "",
    "\n",
    "import numpy as np",
    "A tensor is a block of numbers with a shape, and memory is a line.",
    "A tensor is a block of numbers with its shape, and memory is one line.",
    "print(tensor.shape)\nprint(tensor.strides)",
    "é\0\u2028\N{HERB}",
]
texts = st.sampled_from(SENTENCES) | st.text(max_size=40)
plain = st.builds(Cell, st.sampled_from(["code", "markdown", "raw"]), texts)
grade_ids = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)


@st.composite
def books(draw: st.DrawFn) -> list[Any]:
    """Cells of a notebook, equal ones among them, some of which nbgrader knows."""
    cells = draw(st.lists(plain, max_size=10))
    names = draw(st.lists(grade_ids, max_size=4, unique=True))
    named = [Cell("code", draw(texts), name) for name in names]
    return draw(st.permutations(cells + named))


def released(cells: list[Any], before: dict[str, Any]) -> dict[str, Any]:
    """A release's cells by id."""
    return dict(zip(cell_ids(cells, before), cells, strict=True))


@given(books(), books())
def test_ids_are_unique_valid_and_always_the_same(first: list[Any], second: list[Any]) -> None:
    before = released(first, {})
    ids = cell_ids(second, before)
    assert len(set(ids)) == len(second)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in ids)
    assert ids == cell_ids(second, before)
    assert [id_ for id_, cell in zip(ids, second, strict=True) if cell.name] == [
        cell.name for cell in second if cell.name
    ]


@given(books(), st.data())
def test_cells_that_stay_keep_their_ids(cells: list[Any], data: st.DataObject) -> None:
    before = released(cells, {})
    assert list(released(cells, before)) == list(before)
    kept = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
    left = {id_: cell for (id_, cell), stays in zip(before.items(), kept, strict=True) if stays}
    after = released(list(left.values()), before)
    assert [(cell.kind, cell.source) for cell in after.values()] == [
        (cell.kind, cell.source) for cell in left.values()
    ]
    # Of equal cells without a name it does not matter which one is left.
    alone = [id_ for id_, cell in left.items() if list(before.values()).count(cell) == 1]
    assert set(alone) <= set(after)


def test_an_edited_and_a_moved_cell_keep_their_ids_and_a_new_one_gets_its_own() -> None:
    names = ["intro", "first", "check", "second"]
    cells = [
        Cell("markdown", "# Tensors\nA tensor is a block of numbers with a shape."),
        Cell("code", "example = np.arange(24).reshape(2, 3, 4)"),
        Cell("code", "def add(a, b): ...", "tensor-add"),
        Cell("markdown", "Views copy nothing, which is fast, and a trap."),
    ]
    intro, first, check, second = cells
    before = dict(zip(names, cells, strict=True))
    fixed = Cell("markdown", "# Tensors\nA tensor is a block of numbers that has a shape.")
    added = Cell("markdown", "Something that was not there at all.")
    ids = cell_ids([second, added, fixed, first, check], before)
    assert [ids[0], *ids[2:]] == ["second", "intro", "first", "tensor-add"]
    assert ids[1] not in before
    assert intro.source != fixed.source


def test_a_name_that_was_an_id_is_the_named_cells() -> None:
    ids = cell_ids([Cell("code", "a"), Cell("code", "b", "x")], {"x": Cell("code", "a")})
    assert ids[1] == "x"
    assert ids[0] != "x"
