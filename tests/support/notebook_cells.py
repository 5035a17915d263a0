"""Notebooks for tests, made of cells as nbgrader marks them, with checksums that hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import nbformat
from nbgrader.utils import compute_checksum, is_locked

MARKS: dict[str, dict[str, bool]] = {
    "solution": {"grade": False, "locked": False, "solution": True, "task": False},
    "by hand": {"grade": True, "locked": False, "solution": True, "task": False},
    "test": {"grade": True, "locked": True, "solution": False, "task": False},
    "unlocked test": {"grade": True, "locked": False, "solution": False, "task": False},
    "locked": {"grade": False, "locked": True, "solution": False, "task": False},
}
DONE = [{"name": "stdout", "output_type": "stream", "text": ["done\n"]}]


def cell(
    source: str,
    role: str | None = None,
    name: str | None = None,
    *,
    kind: str = "code",
    cell_id: str | None = None,
    tags: Sequence[str] = (),
    run: bool = False,
) -> dict[str, Any]:
    """A cell; `role` is one of MARKS, `name` nbgrader's grade_id."""
    raw: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": lines(source)}
    if kind == "code":
        raw |= {"execution_count": 3 if run else None, "outputs": DONE if run else []}
    if cell_id is not None:
        raw["id"] = cell_id
    if tags:
        raw["metadata"]["tags"] = list(tags)
    if role is not None:
        marks: dict[str, Any] = {**MARKS[role], "grade_id": name, "schema_version": 3}
        if marks["grade"]:
            marks["points"] = 5
        raw["metadata"]["nbgrader"] = marks
        marks |= {"checksum": checksum(raw), "cell_type": kind}
    return raw


def lines(source: str) -> list[str]:
    """A source as notebooks have it."""
    return source.splitlines(keepends=True)


def text(raw: dict[str, Any]) -> str:
    """The source of a cell."""
    return "".join(raw["source"])


def edited(raw: dict[str, Any], source: str, **fields: Any) -> dict[str, Any]:
    """A cell as somebody leaves it who only writes to it: nbgrader's marks stay."""
    return {**raw, "source": lines(source), **fields}


def book(*cells: dict[str, Any], minor: int = 5, **metadata: Any) -> dict[str, Any]:
    """A notebook."""
    named = [dict(one) for one in cells]
    for number, one in enumerate(named):
        if minor >= 5:
            one.setdefault("id", f"id-{number}-{hash_of(text(one))}")
        else:
            one.pop("id", None)
    return {"cells": named, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}


def hash_of(source: str) -> str:
    """Some letters that another source would not give."""
    return f"{sum(ord(one) * 31**place for place, one in enumerate(source)) % 10**9:x}"


def written(value: dict[str, Any], *, indent: int | str | None = 1) -> bytes:
    """A notebook as nbformat writes it."""
    return (json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False) + "\n").encode()


def sources(data: bytes) -> list[str]:
    """The sources of a notebook's cells."""
    return [text(one) for one in json.loads(data)["cells"]]


def checksum(raw: dict[str, Any]) -> str:
    """What nbgrader computes of a cell."""
    found: str = compute_checksum(nbformat.from_dict({**raw, "source": text(raw)}))
    return found


def check_sound(data: bytes) -> None:
    """Sees to it that nbformat takes a notebook, and that nbgrader finds nothing changed."""
    read = nbformat.reads(data.decode("utf-8-sig"), as_version=nbformat.NO_CONVERT)
    nbformat.validate(read)
    names = [one.metadata.nbgrader.grade_id for one in read.cells if "nbgrader" in one.metadata]
    assert len(names) == len(set(names))
    for one in read.cells:
        if is_locked(one):
            assert one.metadata.nbgrader.checksum == compute_checksum(one)
