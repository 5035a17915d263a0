"""Notebooks of a release: from percent sources to what instructors and students get.

jupytext reads the sources, nbgrader makes the student's version: it takes solutions and hidden
tests out, locks cells, and notes checksums by which it later knows a test that was tampered with.
Same sources, same bytes.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from cell_ids import Cell, cell_ids
from releases import Release
from sapwood.errors import InputError

Notebooks = Mapping[str, nbformat.NotebookNode]
"""Notebooks by path in the template."""

CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # nbformat 4.5's
MODULES = "modules"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def solved_notebooks(past: Sequence[Release]) -> Notebooks:
    """The notebooks of a release, with solutions.

    Args:
        past: all releases up to this one, the oldest first: ids of cells are carried through
            them.

    Raises:
        InputError: nbgrader's name of a cell cannot be an id.
        nbformat.ValidationError: a notebook is not valid.
    """
    notebooks: Notebooks = {}
    for release in past:
        with tempfile.TemporaryDirectory() as folder:
            root = release.copy_to(Path(folder) / "source")
            notebooks = {
                path: solved_notebook(source, notebooks.get(path))
                for source in sorted((root / MODULES).glob("*/*.py"))
                if (path := source.relative_to(root).with_suffix(".ipynb").as_posix())
            }
    return notebooks


def solved_notebook(source: Path, before: nbformat.NotebookNode | None) -> nbformat.NotebookNode:
    """The notebook of a percent source.

    Args:
        source: a file `NN_name.py`.
        before: the notebook of the release before.
    """
    read = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    had = {} if before is None else {one.id: as_cell(one) for one in before.cells}
    ids = cell_ids([as_cell(one) for one in read.cells], had)
    cells = []
    for cell, id_ in zip(read.cells, ids, strict=True):
        if not CELL_ID.fullmatch(id_):
            raise InputError(
                f"{source.name}: expected a grade_id of up to 64 letters, digits, - and _; "
                f"found {id_!r}"
            )
        kept = {name: cell.metadata[name] for name in ("nbgrader", "tags") if name in cell.metadata}
        cell.update({"id": id_, "metadata": kept})
        cells.append(cell)
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.validate(book)
    return book


def as_cell(cell: Any) -> Cell:
    """What the id of a cell depends on."""
    return Cell(cell.cell_type, cell.source, cell.metadata.get("nbgrader", {}).get("grade_id"))


def student_notebooks(solved: Notebooks) -> Notebooks:
    """The notebooks as students get them.

    Raises:
        NbGraderException: nbgrader refuses one; its log says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, book in solved.items():
            (root / path).parent.mkdir(parents=True)
            (root / path).write_bytes(notebook_bytes(book))
        config = Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.source_directory = MODULES
        config.CourseDirectory.assignment_id = "*"
        # Without a database of grades: instructors make theirs.
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()
        released = {
            path: nbformat.read(root / "release" / Path(path).relative_to(MODULES), as_version=4)
            for path in solved
        }
    for book in released.values():
        nbformat.validate(book)
    return released


def notebook_bytes(book: nbformat.NotebookNode) -> bytes:
    """A notebook as a file."""
    return f"{nbformat.writes(book).rstrip()}\n".encode()
