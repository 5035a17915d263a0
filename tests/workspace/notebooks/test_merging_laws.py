"""Laws of merging notebooks, over random edits of both sides, with and without ids."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings, strategies as st

from sapwood.package.canonical import reduced_notebook
from sapwood.workspace.notebooks.merging import merge_notebook
from sapwood.workspace.notebooks.reports import MergedNotebook
from support.notebook_cells import book, cell, check_sound, checksum, edited, sources, text, written

LINES = ("x = 1", "y = x + 2", "print(x, y)", "def f(a): return a", "# YOUR CODE HERE", "import z")
SOURCE = st.lists(st.sampled_from(LINES), max_size=4).map(
    lambda one: "".join(f"{a}\n" for a in one)
)
ROLES = (None, None, None, "solution", "test", "locked", "by hand")
Cells = list[dict[str, Any]]
Ids = Callable[[int, int], str | None]

IDS: dict[str, Ids] = {
    "carried": lambda serial, _place: f"id-{serial}",
    "numbered": lambda _serial, place: f"cell-{place}",
    "none": lambda _serial, _place: None,
}


@st.composite
def originals(draw: st.DrawFn) -> Cells:
    """Cells of a template, each with a serial number that stands for its id."""
    cells = []
    for serial, source in enumerate(draw(st.lists(SOURCE, min_size=1, max_size=6))):
        kind = draw(st.sampled_from(["code", "code", "markdown"]))
        role = draw(st.sampled_from(ROLES))
        one = cell(source, role, None if role is None else f"g{serial}", kind=kind)
        cells.append({**one, "serial": serial})
    return cells


@st.composite
def edits(draw: st.DrawFn, cells: Cells, *, template: bool) -> Cells:
    """What somebody makes of cells: changed, added, removed and moved ones."""
    out = [dict(one) for one in cells]
    serials = itertools.count(1000 if template else 2000)
    for _ in range(draw(st.integers(0, 4))):
        what = draw(st.sampled_from(["change", "change", "add", "remove", "move"]))
        place = draw(st.integers(0, len(out)))
        source = draw(SOURCE) + draw(st.sampled_from(["", "theirs\n" if template else "mine\n"]))
        if what == "add":
            out.insert(place, {**cell(source), "serial": next(serials)})
        elif place == len(out):
            continue
        elif what == "remove":
            out.pop(place)
        elif what == "move":
            out.insert(draw(st.integers(0, len(out) - 1)), out.pop(place))
        else:
            out[place] = edited(out[place], source)
            if template and "nbgrader" in out[place]["metadata"]:
                out[place] = marked(out[place])
    return out


def marked(raw: dict[str, Any]) -> dict[str, Any]:
    """A cell with the checksum that nbgrader gives it in a release."""
    marks = {**raw["metadata"]["nbgrader"], "checksum": checksum(raw)}
    return {**raw, "metadata": {**raw["metadata"], "nbgrader": marks}}


def file_of(cells: Cells, ids: str) -> bytes:
    """A notebook's bytes."""
    named = []
    for place, one in enumerate(cells):
        name = IDS[ids](one["serial"], place)
        raw = {key: value for key, value in one.items() if key != "serial"}
        named.append(raw if name is None else {**raw, "id": name})
    return written(book(*named, minor=4 if ids == "none" else 5))


@st.composite
def three(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """A notebook as it was installed, and what its user and the template made of it."""
    base, ids = draw(originals()), draw(st.sampled_from(sorted(IDS)))
    ours, theirs = draw(edits(base, template=False)), draw(edits(base, template=True))
    return file_of(base, ids), file_of(ours, ids), file_of(theirs, ids)


def locked(data: bytes) -> dict[str, str]:
    """The locked cells of a notebook: source by nbgrader's name."""
    marks = [(one, one["metadata"].get("nbgrader")) for one in json.loads(data)["cells"]]
    return {m["grade_id"]: text(one) for one, m in marks if m and not m["solution"]}


def lost(side: bytes, base: bytes, done: MergedNotebook) -> set[str]:
    """Texts that one side wrote and that are neither in the result nor in the report."""
    told = {*sources(done.data), *(one.text for one in done.reports)}
    return set(sources(side)) - set(sources(base)) - told


@given(three())
@settings(max_examples=400)
def test_no_text_is_lost_without_a_word(books: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = books
    done = merge_notebook(base, ours, theirs)
    assert lost(ours, base, done) == set()
    assert lost(theirs, base, done) == set()


@given(three())
def test_the_result_is_sound_and_its_locked_cells_are_the_templates(
    books: tuple[bytes, bytes, bytes],
) -> None:
    done = merge_notebook(*books)
    check_sound(done.data)
    assert locked(done.data) == locked(books[2])


@given(three())
def test_what_the_user_did_not_edit_becomes_the_templates(
    books: tuple[bytes, bytes, bytes],
) -> None:
    base, _, theirs = books
    done = merge_notebook(base, base, theirs)
    assert reduced_notebook(done.data) == reduced_notebook(theirs)
    assert done.reports == ()


@given(three())
def test_what_the_template_did_not_change_stays_the_users(
    books: tuple[bytes, bytes, bytes],
) -> None:
    base, ours, _ = books
    done = merge_notebook(base, ours, base)
    if locked(ours) == locked(base):
        assert sources(done.data) == sources(ours)
        assert done.reports == ()
    assert done.conflicts == ()
    assert merge_notebook(base, base, base).data == base


@given(three())
def test_what_both_made_alike_is_not_in_conflict(books: tuple[bytes, bytes, bytes]) -> None:
    base, _, theirs = books
    done = merge_notebook(base, theirs, theirs)
    assert (done.data, done.reports, done.taken) == (theirs, (), 0)


@given(three())
def test_a_second_merge_has_nothing_to_do(books: tuple[bytes, bytes, bytes]) -> None:
    _, _, theirs = books
    once = merge_notebook(*books)
    again = merge_notebook(theirs, once.data, theirs)
    assert reduced_notebook(again.data) == reduced_notebook(once.data)
    assert (again.taken, again.conflicts) == (0, ())


@given(three())
def test_the_template_decides_the_order_of_what_it_moved(
    books: tuple[bytes, bytes, bytes],
) -> None:
    base, _, theirs = books
    named = {
        one["metadata"]["nbgrader"]["grade_id"]
        for one in json.loads(base)["cells"]
        if "nbgrader" in one["metadata"]
    }
    done = merge_notebook(*books)
    orders = []
    for data in (base, theirs, done.data):
        marks = [one["metadata"].get("nbgrader") for one in json.loads(data)["cells"]]
        orders.append([one["grade_id"] for one in marks if one and one["grade_id"] in named])
    common = [one for one in orders[0] if one in orders[1] and one in orders[2]]
    base_order, their_order, order = ([n for n in one if n in common] for one in orders)
    if base_order != their_order:
        assert order == their_order
