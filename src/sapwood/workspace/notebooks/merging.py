"""Decides what becomes of each cell when a template changes a notebook that its user edited.

Solution cells keep the user's source, under the metadata that nbgrader needs now. Locked
cells are the template's. In all others the side that changed a cell has its way, and the
user where both did. Whatever text of either side is not in the result is in the report.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sapwood.workspace.notebooks.cells import Cell, Role, read_book
from sapwood.workspace.notebooks.matching import Triple, align
from sapwood.workspace.notebooks.ordering import OURS, THEIRS, both_moved, in_order
from sapwood.workspace.notebooks.reports import CellReport, MergedNotebook, Reason
from sapwood.workspace.notebooks.style import style_of

MARKS = "nbgrader"
EDITORS = frozenset({"kernelspec", "language_info"})  # the user's, whatever the template says
WITH_IDS = 5  # minor version of nbformat from which on cells have ids
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def merge_notebook(base: bytes, ours: bytes, theirs: bytes) -> MergedNotebook:
    """Merges by cell what a template and a user made of one notebook.

    Args:
        base: bytes of the notebook as it was installed.
        ours: bytes of the notebook as the user has it.
        theirs: bytes of the notebook as the template has it now.

    Returns:
        The notebook, written as the user's file is, and what gave way.

    Raises:
        UnreadableNotebook: one of them is no notebook, or too large to be merged.
    """
    books = read_book(base), read_book(ours), read_book(theirs)
    before, mine, new = books
    triples = align(*(one.cells for one in books))
    marked = {one.grade_id for one in new.cells if one.grade_id is not None}
    lines = any(isinstance(one.raw["source"], list) for one in mine.cells)
    results = {id(one): _result_of(one, marked, lines=lines) for one in triples}
    kept = [one for one in triples if results[id(one)].raw is not None]
    row = [results[id(one)] for one in in_order(triples, kept)]
    left = [one for one in results.values() if one.raw is None]
    minor = max(mine.minor, new.minor)
    raw = {
        **mine.raw,
        "cells": _with_ids(row, left, minor),
        "metadata": _three_way(before.metadata, mine.metadata, new.metadata, ours_only=EDITORS),
        "nbformat_minor": minor,
    }
    reports = [report for one in (*row, *left) for report in one.report]
    if both_moved(triples):
        reports.append(CellReport("the notebook", Reason.ORDER))
    written = style_of(ours, mine.raw).written(raw)
    return MergedNotebook(written, sum(one.taken for one in results.values()), tuple(reports))


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What becomes of a cell.

    Attributes:
        triple: the cell as the three have it.
        raw: JSON object of the cell; None where it leaves.
        taken: whether the template changed it for the user.
        report: reports of what gave way.
    """

    triple: Triple
    raw: dict[str, Any] | None = None
    taken: bool = False
    report: tuple[CellReport, ...] = ()


def _result_of(triple: Triple, marked: Collection[str], *, lines: bool) -> Result:
    """What becomes of a cell.

    Args:
        triple: the cell as the three have it.
        marked: nbgrader's names of the template's cells.
        lines: whether the user's file has sources as lists of lines.
    """
    if triple.theirs is None:
        return _without_theirs(triple, marked)
    if triple.ours is None:
        return _without_ours(triple, triple.theirs, lines=lines)
    return _with_both(triple, triple.ours, triple.theirs, lines=lines)


def _without_theirs(triple: Triple, marked: Collection[str]) -> Result:
    """A cell that the template does not have."""
    base, ours = triple.base, triple.ours
    if ours is None:
        return Result(triple)
    if base is None:
        if ours.grade_id not in marked:
            return Result(triple, dict(ours.raw))
        # nbgrader refuses a notebook in which two cells have one name.
        return Result(triple, _unmarked(ours), report=(CellReport(ours.name, Reason.COPY),))
    if ours.is_as(base):
        return Result(triple, taken=True)
    # As a cell of the user's own: no checksum of the template's could hold for it.
    return Result(triple, _unmarked(ours), report=(CellReport(ours.name, Reason.REMOVED),))


def _without_ours(triple: Triple, theirs: Cell, *, lines: bool) -> Result:
    """A cell that the user does not have."""
    raw = {**theirs.raw, "source": _as_written(theirs.text, lines=lines)}
    if triple.base is None:
        return Result(triple, raw, taken=True)
    if theirs.role is Role.LOCKED:
        report = CellReport(theirs.name, Reason.RESTORED)
        return Result(triple, raw, taken=True, report=(report,))
    if theirs.is_as(triple.base):
        return Result(triple)
    return Result(triple, report=(CellReport(theirs.name, Reason.DELETED, theirs.source),))


def _with_both(triple: Triple, ours: Cell, theirs: Cell, *, lines: bool) -> Result:
    """A cell that both have."""
    source, reason = _winner(triple, ours, theirs)
    reports = []
    if reason is not None:
        loser = ours if source is theirs else theirs
        reports.append(CellReport(theirs.name, reason, loser.source))
    if _tags_clash(triple.base, ours, theirs):
        reports.append(CellReport(theirs.name, Reason.TAGS))
    raw = {**ours.raw, "metadata": _cell_metadata(triple, ours, theirs)}
    if source is theirs and ours.body != theirs.body:
        raw = _without_outputs(_with_body(raw, theirs, lines=lines))
    elif theirs.role is Role.LOCKED and ours.text != theirs.text:  # checksums count line ends
        raw = _with_body(raw, theirs, lines=lines)
    elif source is ours and theirs.role is Role.SOLUTION and _kind_follows(triple):
        raw = _without_outputs({**raw, "cell_type": theirs.kind})
    taken = any(of_cell(raw) != of_cell(ours.raw) for of_cell in (_body_of, _marks_of))
    return Result(triple, raw, taken=taken, report=tuple(reports))


def _winner(triple: Triple, ours: Cell, theirs: Cell) -> tuple[Cell, Reason | None]:
    """Whose body a cell gets, and why the other's is lost by that, None where it is not."""
    base = triple.base
    untouched = base is not None and ours.body == base.body
    unchanged = base is not None and theirs.body == base.body
    if theirs.role is Role.LOCKED:
        if untouched or ours.body == theirs.body:
            return theirs, None
        was_locked = base is not None and base.role is Role.LOCKED
        return theirs, Reason.LOCKED if was_locked else Reason.TAKEN
    if untouched:
        return theirs, None
    return ours, None if unchanged or ours.body == theirs.body else Reason.BOTH


def _kind_follows(triple: Triple) -> bool:
    """Whether the template made an exercise of another type, and the user did not."""
    kinds = [None if one is None else one.kind for one in (triple.base, triple.ours)]
    return triple.theirs is not None and kinds[0] == kinds[1] != triple.theirs.kind


def _cell_metadata(triple: Triple, ours: Cell, theirs: Cell) -> dict[str, Any]:
    """The metadata of a cell that both have; nbgrader's are the template's."""
    base = {} if triple.base is None else triple.base.metadata
    metadata = _three_way(
        base, ours.metadata, theirs.metadata, prefer_theirs=theirs.role is not Role.FREE
    )
    if MARKS in theirs.metadata:
        metadata[MARKS] = theirs.metadata[MARKS]
    elif triple.base is not None and MARKS in triple.base.metadata:
        metadata.pop(MARKS, None)
    return metadata


def _tags_clash(base: Cell | None, ours: Cell, theirs: Cell) -> bool:
    """Whether both sides changed the tags of a cell, each in its way."""
    tags = [
        None if one is None else one.metadata.get("tags") or None for one in (base, ours, theirs)
    ]
    return tags[1] != tags[2] and tags[0] not in tags[1:]


def _three_way(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    *,
    prefer_theirs: bool = False,
    ours_only: Iterable[str] = (),
) -> dict[str, Any]:
    """The fields of an object: each as the side has it that changed it.

    Args:
        base, ours, theirs: the object as the three have it.
        prefer_theirs: whether the template has its way where both changed a field.
        ours_only: names of fields that are the user's in any case.
    """
    own = set(ours_only)
    out = dict(ours)
    for name in [*ours, *(one for one in theirs if one not in ours)]:
        values = [one.get(name, ...) for one in (base, ours, theirs)]
        follows = values[1] == values[0] or (prefer_theirs and values[2] != values[0])
        if name in own or not follows:
            continue
        if values[2] is ...:
            out.pop(name, None)
        else:
            out[name] = values[2]
    return out


def _with_body(raw: Mapping[str, Any], cell: Cell, *, lines: bool) -> dict[str, Any]:
    """A cell with what somebody edits of another."""
    out = {**raw, "cell_type": cell.kind, "source": _as_written(cell.text, lines=lines)}
    out.pop("attachments", None)
    if cell.raw.get("attachments"):
        out["attachments"] = cell.raw["attachments"]
    return out


def _without_outputs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A cell as it is before it is run; outputs of another source would mislead."""
    out = {name: one for name, one in raw.items() if name not in {"outputs", "execution_count"}}
    if out["cell_type"] == "code":
        out.pop("attachments", None)  # which code has none of
        out |= {"execution_count": None, "outputs": []}
    return out


def _body_of(raw: Mapping[str, Any]) -> tuple[Any, ...]:
    """What somebody edits of a cell, as it is written."""
    return raw["cell_type"], raw["source"], raw.get("attachments")


def _marks_of(raw: Mapping[str, Any]) -> Any:
    """What nbgrader keeps in a cell."""
    return raw.get("metadata", {}).get(MARKS)


def _unmarked(cell: Cell) -> dict[str, Any]:
    """A cell without nbgrader's metadata."""
    metadata = {name: one for name, one in cell.metadata.items() if name != MARKS}
    return {**cell.raw, "metadata": metadata}


def _as_written(text: str, *, lines: bool) -> str | list[str]:
    """A source as a text or as its lines, which end where LF is and nowhere else."""
    if not lines:
        return text
    return [one for one in re.split(r"(?<=\n)", text) if one]


def _with_ids(row: Sequence[Result], left: Iterable[Result], minor: int) -> list[dict[str, Any]]:
    """The cells of a notebook with ids that differ; without any before nbformat 4.5.

    The template's ids come first: they are what its next version is matched by. So no cell of
    the user's keeps the id of one of the template's that the user deleted.

    Args:
        row: results of the notebook's cells, in order.
        left: results of the cells that are not in it.
        minor: minor version of the notebook's format.
    """
    cells = [one.raw for one in row if one.raw is not None]
    if minor < WITH_IDS:
        return [{name: one for name, one in cell.items() if name != "id"} for cell in cells]
    ids: dict[int, str] = {}
    used = {theirs.id for one in left if (theirs := one.triple.theirs) is not None}
    for side in (THEIRS, OURS):
        for place, one in enumerate(row):
            cell = side(one.triple)
            name = None if cell is None else cell.id
            if place not in ids and name is not None and name not in used and ID.fullmatch(name):
                ids[place] = name
                used.add(name)
    counts: Counter[bytes] = Counter()
    for place, raw in enumerate(cells):
        if place not in ids:
            ids[place] = _new_id(raw, used, counts)
            used.add(ids[place])
    return [{**cell, "id": ids[place]} for place, cell in enumerate(cells)]


def _new_id(cell: Mapping[str, Any], used: Collection[str | None], counts: Counter[bytes]) -> str:
    """An id that no cell has yet; the same merge gives the same.

    Args:
        cell: the cell that gets it.
        used: ids that cells have.
        counts: how many ids were made of each source so far, so that of cells that are all alike
            none tries those of the others again; brought up to date.
    """
    text = json.dumps(cell["source"]).encode()
    while True:
        name = hashlib.sha256(b"%d %s" % (counts[text], text)).hexdigest()[:8]
        counts[text] += 1
        if name not in used:
            return name
