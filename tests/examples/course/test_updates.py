"""What becomes of three students when the example course is upgraded, on real wheels.

The seed asks: A has not started module 05, B is in the middle of it, C is done with it. Release
1.0.0 has a wrong test there, and in the notebook a wrong formula and a fault in code that it
gives; 1.1.0 has not, and its second milestone draws pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.course_releases import (
    MODULES,
    NEW,
    OLD,
    TAMPERED,
    VALID,
    Notebook,
    Student,
    built_releases,
    instructors,
    is_solution,
    notebook_path,
    notebooks,
    once_a_run,
    solve,
    template_files,
    wheel,
    write_notebook,
)

MODULE = notebook_path("05_autograd")
TEST = "tests/05_autograd/test_autograd.py"
MILESTONE = "milestones/02_digits.py"
OWN_CELL = {
    "cell_type": "code",
    "execution_count": 3,
    "id": "own-cell",
    "metadata": {},
    "outputs": [{"name": "stdout", "output_type": "stream", "text": ["42\n"]}],
    "source": ["print(6 * 7)  # to think with"],
}
CHECK = f"""\
Package version: {NEW} (you have {OLD})
Available updates:
   {TEST} (bug fix)
   {MILESTONE} (new feature)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both releases."""
    return built_releases(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def semester(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Student:
    """Workspaces of three students who worked with 1.0.0, after `pip install --upgrade`.

    Each test has one of its own.
    """
    folder = once_a_run(
        tmp_path_factory.getbasetemp(), "course-semester", lambda new: spend_semester(new, built)
    )
    return Student(folder, built)


def spend_semester(folder: Path, built: Path) -> None:
    """Three students begin with 1.0.0 and come to different places; then they upgrade."""
    student = Student.new(folder, built)
    student.pip(f"phloem-course=={OLD}")
    answers = notebooks(instructors(built, OLD))
    for name in ("not-started", "halfway", "done"):
        student.phloem(f"init {name}")
    for name, modules in (("halfway", MODULES[:4]), ("done", MODULES)):
        for path in map(notebook_path, modules):
            solve(folder / name / path, answers[path])
        student.phloem(f"module export {' '.join(modules)}", name)
    begin_module(folder / "halfway" / MODULE, answers[MODULE])
    assert "1 failed" in student.tests("tests/05_autograd", "done", code=1)
    student.pip("--upgrade", "phloem-course")


def begin_module(file: Path, answers: Notebook) -> None:
    """Two exercises of a notebook are solved, and a cell is put in."""
    first = [one["id"] for one in answers["cells"] if is_solution(one)][:2]
    assert solve(file, answers, first.__contains__) == 2
    book = json.loads(file.read_text(encoding="utf-8"))
    book["cells"].insert(5, OWN_CELL)
    write_notebook(file, book)


def sources(book: Notebook) -> dict[str, str]:
    """The texts of cells, by id."""
    return {one["id"]: "".join(one["source"]) for one in book["cells"]}


def sources_in(root: Path) -> dict[str, str]:
    """The texts of the cells of module 05 in a workspace."""
    return sources(json.loads((root / MODULE).read_text(encoding="utf-8")))


def own_files(root: Path) -> dict[str, bytes]:
    """Notebooks and exported code."""
    files = [*root.glob("modules/*/*"), *root.glob("phloem/*.py")]
    return {one.relative_to(root).as_posix(): one.read_bytes() for one in files}


def test_a_module_that_was_not_started_is_updated_on_request(
    built: Path, semester: Student
) -> None:
    root = semester.folder / "not-started"
    old, new = (template_files(wheel(built, release)) for release in (OLD, NEW))
    assert semester.phloem("update --check", "not-started", code=20).startswith(CHECK)
    said = semester.phloem("update", "not-started")
    assert f"Updated {TEST}\nUpdated {MILESTONE}\n" in said
    for path in (TEST, MILESTONE):
        assert (root / path).read_bytes() == new[path]
    assert (root / MODULE).read_bytes() == old[MODULE]
    assert not (root / "requirements.txt").exists()
    semester.phloem("update --module 05", "not-started")
    assert (root / MODULE).read_bytes() == new[MODULE]
    assert "Nothing to update" in semester.phloem("update --check", "not-started")
    assert {
        path: (root / path).read_bytes() for path in new if path != "sapwood-template.toml"
    } == {path: content for path, content in new.items() if path != "sapwood-template.toml"}


def test_a_module_that_is_half_done_keeps_its_solutions_and_gets_the_fixes(
    built: Path, semester: Student
) -> None:
    root = semester.folder / "halfway"
    before = own_files(root)
    said = semester.phloem("update", "halfway")
    assert f"Updated {TEST}\n" in said
    assert "Skipped modules/05_autograd (student modified)\n" in said
    assert own_files(root) == before
    mine, latest = sources_in(root), notebooks(wheel(built, NEW))[MODULE]
    exercises = {one["id"] for one in latest["cells"] if is_solution(one)}
    semester.phloem("update --merge", "halfway")
    merged = sources_in(root)
    kept = {id_: text for id_, text in mine.items() if id_ in exercises or id_ == OWN_CELL["id"]}
    assert merged == {**sources(latest), **kept}
    assert merged != mine
    solve(root / MODULE, notebooks(instructors(built, NEW))[MODULE])
    semester.phloem("module export 05", "halfway")
    said = semester.validate("halfway", MODULE)
    assert (said.count(VALID), said.count(TAMPERED)) == (1, 0)
    assert "passed" in semester.tests("tests/05_autograd", "halfway")


def test_a_module_that_is_done_stays_and_doctor_tells_what_its_export_lacks(
    semester: Student,
) -> None:
    root = semester.folder / "done"
    before = own_files(root)
    assert semester.phloem("update --check", "done", code=20).startswith(CHECK)
    said = semester.phloem("update", "done")
    assert "Skipped modules/05_autograd (student modified)\n" in said
    assert "To reset a module to latest: phloem module reset 05\n" in said
    assert own_files(root) == before
    assert "failed" not in semester.tests("tests/05_autograd", "done")
    told = semester.phloem("doctor", "done", code=22)
    assert f"exported code comes from version {OLD} of the module; {NEW} fixes it" in told
    assert "phloem update --merge" in told
    semester.phloem("update --merge", "done")
    semester.phloem("module export 05", "done")
    assert "0 problems" in semester.phloem("doctor", "done")
    changed = {path for path, content in own_files(root).items() if before[path] != content}
    assert changed == {MODULE, "phloem/autograd.py"}
    assert "failed" not in semester.tests("tests/05_autograd", "done")
