"""Both releases of the example course, built from the repository: what is in them."""

from __future__ import annotations

import email
import json
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from sapwood.workspace import open_package
from support.course_releases import (
    COURSE,
    MODULES,
    NEW,
    OLD,
    build,
    built_releases,
    instructors,
    is_solution,
    nbgrader_of,
    notebook_path,
    notebooks,
    run,
    template_files,
    wheel,
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both releases."""
    return built_releases(tmp_path_factory.getbasetemp())


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build(tmp_path / "again", tmp_path / "home", NEW)
    for again in (wheel(tmp_path / "again", NEW), instructors(tmp_path / "again", NEW)):
        assert again.read_bytes() == (built / again.name).read_bytes()


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_wheel_holds_the_template_and_little_else(built: Path, release: str) -> None:
    with zipfile.ZipFile(wheel(built, release)) as packed:
        names = [one for one in packed.namelist() if ".dist-info/" not in one]
        metadata = packed.read(f"phloem_course-{release}.dist-info/METADATA").decode()
    assert {one.split("/")[0] for one in names} == {"phloem_course"}
    fields = email.message_from_string(metadata)
    assert (fields["Name"], fields["Version"]) == ("phloem-course", release)
    needs = fields.get_all("Requires-Dist", [])
    assert {one.split(">")[0] for one in needs if "extra" not in one} == {
        "numpy",
        "sapwood",
        "scikit-learn",
    }
    files = template_files(wheel(built, release))
    assert {notebook_path(module) for module in MODULES} <= files.keys()
    assert not [path for path in files if path.startswith("modules/") and path.endswith(".py")]


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_wheel_and_an_archive_are_templates(built: Path, release: str) -> None:
    with open_package(wheel(built, release)) as students:
        assert (students.manifest.name, students.version) == ("phloem", release)
        assert tuple(one.name for one in students.manifest.modules) == MODULES
        assert all(note.path in students.files for note in students.manifest.notes)
    with open_package(instructors(built, release)) as teaching:
        assert (teaching.manifest.name, teaching.version) == ("phloem-instructor", release)
        assert teaching.files.keys() - students.files.keys() == {"nbgrader_config.py"}
        assert students.files.keys() <= teaching.files.keys()


@pytest.mark.parametrize("release", [OLD, NEW])
def test_students_get_exercises_and_locked_tests(built: Path, release: str) -> None:
    books, solved = (notebooks(one(built, release)) for one in (wheel, instructors))
    assert books.keys() == solved.keys() == {notebook_path(module) for module in MODULES}
    for path, book in books.items():
        nbformat.validate(book)
        nbformat.validate(solved[path])
        assert "SOLUTION" not in json.dumps(book)
        cells, answers = book["cells"], solved[path]["cells"]
        assert [one["id"] for one in cells] == [one["id"] for one in answers]
        exercises = [one for one in cells if is_solution(one)]
        tests = [one for one in cells if nbgrader_of(one).get("grade")]
        assert exercises, path
        assert tests, path
        assert all("YOUR CODE HERE" in "".join(one["source"]) for one in exercises)
        assert not [one for one in tests if one["metadata"].get("editable", True)]
        assert all(nbgrader_of(one)["checksum"] for one in [*exercises, *tests])


def test_cells_keep_their_ids_from_one_release_to_the_next(built: Path) -> None:
    old, new = (notebooks(wheel(built, release)) for release in (OLD, NEW))
    for path in new:
        ids = [
            {one["id"]: one["source"] for one in book["cells"]} for book in (old[path], new[path])
        ]
        assert ids[0].keys() == ids[1].keys()
    changed = {
        path
        for path in new
        if [one["source"] for one in old[path]["cells"]]
        != [one["source"] for one in new[path]["cells"]]
    }
    assert changed == {notebook_path("05_autograd")}


def test_releases_differ_in_what_the_notes_say(built: Path) -> None:
    old, new = (template_files(wheel(built, release)) for release in (OLD, NEW))
    with open_package(wheel(built, NEW)) as template:
        noted = {note.path for note in template.manifest.notes}
    changed = {path for path in old.keys() & new.keys() if old[path] != new[path]}
    assert changed == noted
    assert old.keys() - new.keys() == {"requirements.txt"}
    assert new.keys() <= old.keys()


def test_the_command_says_what_it_wrote_and_what_is_wrong(tmp_path: Path) -> None:
    home, build_py = tmp_path / "home", COURSE / "build.py"
    unknown = run([sys.executable, build_py, "--release", "9.0"], home, tmp_path, 2)
    assert unknown.stderr == f"build.py: error: no release 9.0; there are {OLD}, {NEW}\n"
    unreadable = run([sys.executable, build_py, "--release", "x"], home, tmp_path, 2)
    assert "expected a version" in unreadable.stderr
    shown = run([sys.executable, build_py, "--help"], home, tmp_path).stdout
    assert "python build.py --release 1.0.0 --out dist" in shown
    assert [one.name for one in tmp_path.iterdir()] == ["home"]
