"""nbgrader on the example course: assignments, grades, and what `nbgrader validate` says."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from support.course_releases import (
    NEW,
    TAMPERED,
    built_releases,
    instructors,
    nbgrader_of,
    notebook_path,
    notebooks,
    run,
    wheel,
    write_notebook,
)

GRADED = "05_autograd"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both releases."""
    return built_releases(tmp_path_factory.getbasetemp())


@pytest.fixture
def grading(built: Path, tmp_path: Path) -> Path:
    """An instructor's folder: solved notebooks, and the library that they export."""
    course = tmp_path / "grading"
    sapwood(tmp_path, "init", instructors(built, NEW), course)
    sapwood(course, "module", "export", instructors(built, NEW), "--all")
    return course


def sapwood(cwd: Path, *words: str | Path) -> str:
    """Runs `sapwood workspace`."""
    home = cwd.parent / "home"
    return run([sys.executable, "-m", "sapwood", "workspace", *words], home, cwd).stdout


def nbgrader(cwd: Path, *words: str | Path) -> str:
    """Runs `nbgrader` in a folder, and returns what it prints and logs."""
    done = run([sys.executable, "-m", "nbgrader", *words], cwd.parent / "home", cwd)
    return done.stdout + done.stderr


def points(course: Path, module: str) -> float:
    """All that a module's tests can give."""
    book = json.loads((course / notebook_path(module)).read_text(encoding="utf-8"))
    return float(sum(nbgrader_of(one).get("points", 0) for one in book["cells"]))


def test_assignments_are_what_students_have_and_are_graded(built: Path, grading: Path) -> None:
    nbgrader(grading, "generate_assignment", GRADED)
    name = f"{GRADED}.ipynb"
    released = json.loads((grading / "release" / GRADED / name).read_text(encoding="utf-8"))
    path = notebook_path(GRADED)
    assert released == notebooks(wheel(built, NEW))[path]
    for student, book in (
        ("empty", released),
        ("solved", notebooks(instructors(built, NEW))[path]),
    ):
        submitted = grading / "submitted" / student / GRADED / name
        submitted.parent.mkdir(parents=True)
        write_notebook(submitted, book)
    nbgrader(grading, "autograde", GRADED)
    nbgrader(grading, "export")
    with (grading / "grades.csv").open(encoding="utf-8", newline="") as file:
        grades = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert points(grading, GRADED) > 0
    assert grades == {"empty": 0, "solved": points(grading, GRADED)}


def test_a_test_that_was_changed_is_told(built: Path, grading: Path) -> None:
    path = notebook_path("01_tensors")
    book = notebooks(wheel(built, NEW))[path]
    graded = next(one for one in book["cells"] if nbgrader_of(one).get("grade"))
    graded["source"] = "pass"
    write_notebook(grading / path, book)
    said = nbgrader(grading, "validate", path)
    assert f"THE CONTENTS OF 1 {TAMPERED}" in said
