"""Merges of notebooks by cell: a table of what a template and a student do to each kind."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from sapwood.workspace.notebooks.merging import merge_notebook
from sapwood.workspace.notebooks.reports import Reason
from support.notebook_cells import DONE, book, cell, check_sound, checksum, edited, sources, written

STUB = cell("def add(a, b):\n    raise NotImplementedError\n", "solution", "tensor-add")
BETTER = cell(
    'def add(a, b):\n    """Adds."""\n    raise NotImplementedError\n', "solution", "tensor-add"
)
MINE = edited(STUB, "def add(a, b):\n    return a + b\n", outputs=DONE, execution_count=3)
TEST = cell("assert add(1, 2) == 3\n", "test", "test-add")
FIXED = cell("assert add(1, 2) == 3\nassert add(1, -1) == 0\n", "test", "test-add")
CHEAT = edited(TEST, "assert True\n")
FREE = cell("x = 1\n")
PROSE = cell("# Tensors\n", kind="markdown")
OPEN = cell("Why?\n", "by hand", "why", kind="markdown")
Cells = tuple[dict[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """Cells of the three, the sources that come of it, and what is reported."""

    base: Cells
    ours: Cells
    theirs: Cells
    result: list[str]
    reports: tuple[tuple[str, Reason], ...] = ()
    taken: int = 0


def src(*cells: dict[str, Any]) -> list[str]:
    return ["".join(one["source"]) for one in cells]


ROWS = {
    "a test is fixed": Row((STUB, TEST), (MINE, TEST), (STUB, FIXED), src(MINE, FIXED), taken=1),
    "an exercise is half done, and its stub changes": Row(
        (STUB, TEST),
        (MINE, TEST),
        (BETTER, TEST),
        src(MINE, TEST),
        (("tensor-add", Reason.BOTH),),
        taken=1,  # nbgrader's checksum of the stub
    ),
    "an exercise that nobody has begun follows": Row(
        (STUB,), (STUB,), (BETTER,), src(BETTER), taken=1
    ),
    "a test that the student edited is the template's again": Row(
        (STUB, TEST),
        (MINE, CHEAT),
        (STUB, FIXED),
        src(MINE, FIXED),
        (("test-add", Reason.LOCKED),),
        1,
    ),
    "and so where the template did not change it": Row(
        (STUB, TEST),
        (MINE, CHEAT),
        (BETTER, TEST),
        src(MINE, TEST),
        (("tensor-add", Reason.BOTH), ("test-add", Reason.LOCKED)),
        2,
    ),
    "a test that the student deleted is back": Row(
        (STUB, TEST), (MINE,), (STUB, FIXED), src(MINE, FIXED), (("test-add", Reason.RESTORED),), 1
    ),
    "an exercise that the student deleted stays so": Row(
        (STUB, TEST), (TEST,), (STUB, FIXED), src(FIXED), taken=1
    ),
    "and is told of where its stub changes": Row(
        (STUB, TEST), (TEST,), (BETTER, TEST), src(TEST), (("tensor-add", Reason.DELETED),)
    ),
    "an exercise becomes a given": Row(
        (STUB,),
        (MINE,),
        (cell("def add(a, b):\n    return a.plus(b)\n", "locked", "tensor-add"),),
        ["def add(a, b):\n    return a.plus(b)\n"],
        (("tensor-add", Reason.TAKEN),),
        1,
    ),
    "an answer graded by hand is the student's": Row(
        (OPEN,),
        (edited(OPEN, "Because.\n"),),
        (cell("Why not?\n", "by hand", "why", kind="markdown"),),
        ["Because.\n"],
        (("why", Reason.BOTH),),
        1,
    ),
    "a free cell that the template changed": Row(
        (FREE, PROSE), (FREE, PROSE), (cell("x = 2\n"), PROSE), src(cell("x = 2\n"), PROSE), taken=1
    ),
    "a free cell that the student changed": Row(
        (FREE, TEST), (cell("x = 5\n"), TEST), (FREE, FIXED), src(cell("x = 5\n"), FIXED), taken=1
    ),
    "a free cell that both changed": Row(
        (FREE,), (cell("x = 5\n"),), (cell("x = 2\n"),), ["x = 5\n"], (("x = 2", Reason.BOTH),)
    ),
    "and one that both changed alike": Row(
        (FREE,), (cell("x = 2\n"),), (cell("x = 2\n"),), ["x = 2\n"]
    ),
    "what the student added stays behind the same cell": Row(
        (PROSE, STUB, TEST),
        (PROSE, MINE, cell("add(1, 1)\n"), TEST),
        (PROSE, FREE, STUB, FIXED),
        src(PROSE, FREE, MINE, cell("add(1, 1)\n"), FIXED),
        taken=2,
    ),
    "both add behind one cell": Row(
        (PROSE,),
        (PROSE, cell("mine\n")),
        (PROSE, cell("theirs\n")),
        ["# Tensors\n", "mine\n", "theirs\n"],
        taken=1,
    ),
    "both add the same": Row(
        (PROSE,), (PROSE, cell("both\n")), (PROSE, cell("both\n")), ["# Tensors\n", "both\n"]
    ),
    "what the template removed leaves": Row(
        (PROSE, FREE), (PROSE, FREE), (PROSE,), src(PROSE), taken=1
    ),
    "unless the student changed it": Row(
        (PROSE, STUB), (PROSE, MINE), (PROSE,), src(PROSE, MINE), (("tensor-add", Reason.REMOVED),)
    ),
    "the template's order holds where it moved cells": Row(
        (PROSE, STUB, FREE),
        (PROSE, MINE, cell("mine\n"), FREE),
        (PROSE, FREE, STUB),
        src(PROSE, FREE, MINE, cell("mine\n")),
    ),
    "and the student's where it did not": Row(
        (PROSE, STUB, FREE, TEST),
        (FREE, PROSE, MINE, TEST),
        (PROSE, STUB, FREE, FIXED),
        src(FREE, PROSE, MINE, FIXED),
        taken=1,
    ),
    "a copy of a marked cell is a cell of the student's": Row(
        (STUB, TEST),
        (STUB, MINE, TEST),
        (STUB, FIXED),
        src(STUB, MINE, FIXED),
        (("tensor-add", Reason.COPY),),
        1,
    ),
}


@pytest.mark.parametrize("minor", [4, 5])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(row: Row, minor: int) -> None:
    done = merge_notebook(
        *(written(book(*one, minor=minor)) for one in (row.base, row.ours, row.theirs))
    )
    assert sources(done.data) == row.result
    assert tuple((one.cell, one.reason) for one in done.reports) == row.reports
    assert done.taken == row.taken
    check_sound(done.data)


def merged_cells(base: Cells, ours: Cells, theirs: Cells, minor: int = 5) -> list[dict[str, Any]]:
    done = merge_notebook(*(written(book(*one, minor=minor)) for one in (base, ours, theirs)))
    check_sound(done.data)
    cells: list[dict[str, Any]] = json.loads(done.data)["cells"]
    return cells


def test_a_half_done_exercise_has_the_checksum_of_the_new_stub() -> None:
    (found,) = merged_cells((STUB,), (MINE,), (BETTER,))
    assert found["metadata"]["nbgrader"]["checksum"] == checksum(BETTER)
    assert found["outputs"] == DONE


def test_outputs_stay_with_the_source_that_they_are_of() -> None:
    run = edited(FREE, "x = 1\n", outputs=DONE, execution_count=3)
    found = merged_cells((FREE, PROSE), (run, PROSE), (cell("x = 2\n"), PROSE))
    assert (found[0]["outputs"], found[0]["execution_count"]) == ([], None)
    found = merged_cells((FREE, PROSE), (run, PROSE), (FREE, cell("# Arrays\n", kind="markdown")))
    assert (found[0]["outputs"], found[0]["execution_count"]) == (DONE, 3)


def test_tags_and_the_metadata_of_editors() -> None:
    shown, hidden = cell("x = 1\n", tags=["show"]), cell("x = 1\n", tags=["hide"])
    folded = {**FREE, "metadata": {"collapsed": True}}
    found = merged_cells((FREE,), (folded,), (shown,))
    assert found[0]["metadata"] == {"collapsed": True, "tags": ["show"]}
    done = merge_notebook(*(written(book(one)) for one in (FREE, shown, hidden)))
    assert json.loads(done.data)["cells"][0]["metadata"]["tags"] == ["show"]
    assert [(one.cell, one.reason) for one in done.reports] == [("x = 1", Reason.TAGS)]


def test_the_kernel_is_the_users() -> None:
    mine: dict[str, Any] = {"kernelspec": {"name": "mine"}, "language_info": {"version": "3.13"}}
    first = book(FREE, kernelspec={"name": "python3"}, title="One", authors=["a"])
    ours = book(FREE, **mine, title="One", authors=["a"], widgets={})
    theirs = book(cell("x = 2\n"), kernelspec={"name": "python4"}, title="Two")
    done = merge_notebook(written(first), written(ours), written(theirs))
    assert json.loads(done.data)["metadata"] == {**mine, "title": "Two", "widgets": {}}


def test_marks_that_the_template_gives_and_takes() -> None:
    (given,) = merged_cells((FREE,), (FREE,), (cell("x = 1\n", "locked", "setup"),))
    assert given["metadata"]["nbgrader"]["grade_id"] == "setup"
    (taken,) = merged_cells((STUB,), (MINE,), (cell(src(STUB)[0]),))
    assert (taken["metadata"], taken["source"]) == ({}, MINE["source"])


def test_an_exercise_of_another_type() -> None:
    prose = cell("In words?\n", "by hand", "tensor-add", kind="markdown")
    (found,) = merged_cells((STUB,), (MINE,), (prose,))
    assert (found["cell_type"], found["source"]) == ("markdown", MINE["source"])
    assert "outputs" not in found


def test_images_go_with_their_cell() -> None:
    image = {"a.png": {"image/png": "AAAA"}}
    pasted = {**edited(PROSE, "# Tensors\n![a](attachment:a.png)\n"), "attachments": image}
    (found,) = merged_cells((PROSE,), (PROSE,), (pasted,))
    assert found["attachments"] == image
    (found,) = merged_cells((PROSE,), (pasted,), (cell("# Arrays\n", kind="markdown"),))
    assert found["attachments"] == image
    (found,) = merged_cells((pasted,), (pasted,), (edited(pasted, "# Tensors, in code\n"),))
    assert found["attachments"] == image


def test_ids_are_the_templates_and_differ() -> None:
    same = {**FREE, "id": "one"}
    base = book(same, {**STUB, "id": "two"})
    ours = book({**same, "id": "a"}, {**MINE, "id": "b"}, cell("mine\n", cell_id="new"))
    theirs = book(same, {**STUB, "id": "two"}, cell("theirs\n", cell_id="new"))
    done = merge_notebook(written(base), written(ours), written(theirs))
    cells = json.loads(done.data)["cells"]
    assert [one["id"] for one in cells[:2]] == ["one", "two"]
    assert cells[3]["id"] == "new"
    assert len({one["id"] for one in cells}) == 4
    check_sound(done.data)


def test_an_id_that_the_template_gave_another_cell_is_not_kept() -> None:
    """Else the next merge would take the user's cell for the exercise that they deleted."""
    named = [{**one, "id": "cell-0"} for one in (FREE, STUB)]
    base = written(book(cell("", cell_id="cell-0"), {**STUB, "id": "cell-1"}))
    theirs = written(book(named[1]))
    done = merge_notebook(base, written(book(named[0])), theirs)
    again = merge_notebook(theirs, done.data, theirs)
    assert sources(done.data) == src(FREE)
    assert (again.data, again.taken, again.reports) == (done.data, 0, ())


def test_numbered_ids_do_not_match_other_cells() -> None:
    numbered = [
        book(*({**one, "id": f"cell-{place}"} for place, one in enumerate(cells)))
        for cells in ((FREE, PROSE), (FREE, PROSE), (cell("a new one\n"), FREE, PROSE))
    ]
    numbered[1]["cells"][0]["source"] = ["x = 1  # mine\n"]
    done = merge_notebook(*map(written, numbered))
    assert sources(done.data) == ["a new one\n", "x = 1  # mine\n", "# Tensors\n"]
    assert done.reports == ()


@pytest.mark.parametrize("minors", [(4, 5, 5), (4, 4, 5), (5, 5, 4), (4, 5, 4), (0, 2, 4)])
def test_cells_have_ids_from_nbformat_4_5_on(minors: tuple[int, int, int]) -> None:
    rows = (STUB, TEST), (MINE, TEST, FREE), (STUB, FIXED)
    books = [book(*one, minor=minor) for one, minor in zip(rows, minors, strict=True)]
    done = merge_notebook(*map(written, books))
    found = json.loads(done.data)
    assert found["nbformat_minor"] == max(minors[1:])
    assert all(("id" in one) == (max(minors[1:]) >= 5) for one in found["cells"])
    assert sources(done.data) == src(MINE, FIXED, FREE)
    check_sound(done.data)


def test_names_that_the_template_gives_twice_do_not_mix_cells_up() -> None:
    one, two = cell("assert a\n", "test", "t"), cell("assert b\n", "test", "t")
    fixed = cell("assert b == 2\n", "test", "t")
    rows = (one, STUB, two), (one, MINE, two), (one, STUB, fixed)
    done = merge_notebook(*(written(book(*row, minor=4)) for row in rows))
    assert sources(done.data) == src(one, MINE, fixed)
    assert done.reports == ()


def test_stubs_that_look_alike_do_not_mix_exercises_up() -> None:
    stub = "# YOUR CODE HERE\nraise NotImplementedError\n"
    add, mul, sub = (cell(stub, "solution", name) for name in ("add", "mul", "sub"))
    rows = (add, mul), (edited(add, "mine\n"), mul), (sub, mul)
    done = merge_notebook(*(written(book(*row, minor=4)) for row in rows))
    assert sources(done.data) == ["mine\n", stub, stub]
    assert [(report.cell, report.reason) for report in done.reports] == [("add", Reason.REMOVED)]


def test_what_nbgrader_keeps_is_the_templates_whatever_the_user_made_of_it() -> None:
    unlocked = {**TEST["metadata"]["nbgrader"], "locked": False, "points": 100, "solution": True}
    cheat = {**edited(TEST, "pass\n"), "metadata": {"nbgrader": unlocked}}
    found = merged_cells((PROSE, TEST), (PROSE, cheat), (FREE, PROSE, TEST))
    assert found[2] == {**TEST, "id": found[2]["id"]}
    easy = {**MINE["metadata"]["nbgrader"], "grade": True, "points": 100}
    graded = {**MINE, "metadata": {"nbgrader": easy}}
    (found[0],) = merged_cells((STUB,), (graded,), (STUB,))
    assert found[0]["metadata"] == STUB["metadata"]
    assert found[0]["source"] == MINE["source"]


@pytest.mark.parametrize("place", [1, 3])
def test_of_equal_cells_the_one_between_the_same_neighbours_is_meant(place: int) -> None:
    show, other = cell("plt.show()\n"), cell("plt.show(block=False)\n")
    base = (FREE, show, PROSE, show, cell("last\n"))
    ours = base[:place] + base[place + 1 :]
    theirs = (FREE, other, PROSE, show, cell("last\n"))
    if place == 1:
        theirs = (FREE, show, PROSE, other, cell("last\n"))
    done = merge_notebook(*(written(book(*row, minor=4)) for row in (base, ours, theirs)))
    assert sources(done.data) == src(*(one for at, one in enumerate(theirs) if at != place))
    assert done.reports == ()


def test_both_move_cells() -> None:
    a, b, c = (cell(f"{one} = {one}\n") for one in ("apple", "bread", "cheese"))
    done = merge_notebook(*(written(book(*row)) for row in ((a, b, c), (b, a, c), (c, a, b))))
    assert sources(done.data) == src(c, a, b)
    assert [one.reason for one in done.reports] == [Reason.ORDER]
    assert done.conflicts == ()


def test_nothing_of_a_merge_depends_on_chance() -> None:
    rows = (STUB, TEST), (MINE, TEST, FREE), (PROSE, STUB, FIXED)
    books = [written(book(*row, minor=minor)) for row, minor in zip(rows, (4, 4, 5), strict=True)]
    assert merge_notebook(*books) == merge_notebook(*books)


def test_long_and_empty_cells_have_names() -> None:
    rows = ("", "a"), ("", "x" * 100), ("", "y" * 100)
    texts = [[cell(one, cell_id=f"c{place}") for place, one in enumerate(row)] for row in rows]
    (report,) = merge_notebook(*(written(book(*row)) for row in texts)).reports
    assert report.cell == "y" * 59 + "…"
    texts = [[cell(one, cell_id="c")] for one in ("a", "b", "")]
    (report,) = merge_notebook(*(written(book(*row)) for row in texts)).reports
    assert report.cell == "cell 1"
