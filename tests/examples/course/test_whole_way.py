"""A student's whole way through the example course: from the wheel to two trained models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.course_releases import (
    MODULES,
    NEW,
    TAMPERED,
    VALID,
    Student,
    built_releases,
    instructors,
    notebook_path,
    notebooks,
    solve,
)

# What the course says that one reaches: percent of the test's examples.
MILESTONES = {"01_perceptron": 95, "02_digits": 97}


def test_from_installing_to_trained_models(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    built = built_releases(tmp_path_factory.getbasetemp())
    student = Student.new(tmp_path, built)
    student.pip(f"phloem-course=={NEW}")
    made = student.phloem("init course")
    assert made.startswith(f"Made {tmp_path / 'course'} from phloem {NEW}: ")
    too_early = student.python("milestones/01_perceptron.py", "course", code=1)
    assert too_early == ""
    answers = notebooks(instructors(built, NEW))
    for module in MODULES:
        path = notebook_path(module)
        assert solve(tmp_path / "course" / path, answers[path]) > 0
        student.phloem(f"module export {module[:2]}", "course")
    said = student.validate("course", *map(notebook_path, MODULES))
    assert (said.count(VALID), said.count(TAMPERED)) == (len(MODULES), 0)
    passed = student.tests("", "course")
    assert re.search(r"^[1-9][0-9]* passed", passed, re.MULTILINE)
    for milestone, least in MILESTONES.items():
        printed = student.python(f"milestones/{milestone}.py", "course")
        (reached,) = re.findall(r"^test accuracy: ([0-9.]+)%", printed, re.MULTILINE)
        assert float(reached) >= least
    assert "0 problems" in student.phloem("doctor", "course")
