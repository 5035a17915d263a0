"""Courses from strangers, and with slips of the pen: each is refused, and nothing is written."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InputError, InvalidPackage, InvalidWorkspace, SapwoodError
from sapwood.workspace import Workspace, parse_course
from support.template_folders import user_files, write_files, write_template

FILES: dict[str, str | bytes] = {
    "modules/01_tensors/a.py": "1\n",
    "modules/02_losses/a.py": "2\n",
    "modules/03_layers/a.py": "3\n",
    "tests/04_other/a.py": "no module\n",
}
MODULES = """
[[modules]]
name = "01_tensors"
[[modules]]
name = "02_losses"
[[modules]]
name = "03_layers"
needs = ["02_losses"]
"""

# What is written, and what the error says of it.
YAML: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "expected named fields, found null"),
    "text": ("hello", "expected named fields, found text"),
    "a list": ("- a", "expected named fields, found a list"),
    "no YAML": ("modules: [tensors", "line 1, column 18: no YAML"),
    "a tab": ("modules:\n\t- tensors", "line 2, column 1: no YAML"),
    "an anchor": ("modules: &a [tensors]", "line 1, column 10: found an anchor"),
    "an alias": ("modules: [*a]", "column 11: found an anchor or an alias"),
    "a tag": ("modules: !!python/object:os.system [tensors]", "column 10: found the tag"),
    "a tag for a key": ("!!str modules: [tensors]", "line 1, column 1: found the tag"),
    "a merge": ("<<: {modules: [a]}\nmodules: [a]", "found '<<'"),
    "a key twice": ("modules: [a]\nmodules: [b]", "line 2, column 1: found 'modules' a second"),
    "a key that is a list": ("? [a]\n: b", "a key that is no text"),
    "two documents": ("modules: [a]\n---\nmodules: [b]", "line 2, column 1: found a second"),
    "too deep": ("[" * 100, "more than 16 levels"),
    "too deep, in blocks": ("- " * 400, "more than 16 levels"),
    "too many values": ("[" + "a," * 20_000 + "]", "more than 20000 values"),
    "not Unicode": (b"modules: [\xff]", "UTF-8"),
    "a control character": ("modules: [\x07]", "no YAML"),
    "a character that cannot be": ('modules: ["\\UFFFFFFFF"]', "no YAML"),
    "half a surrogate pair": ('modules: ["\\uD800"]', "surrogate"),
    "a version of too many digits": ("%YAML 1." + "1" * 5000 + "\n--- a", "no YAML"),
    "too large": ("#" * (1 << 20) + "\n", "at most 1048576 bytes"),
    "an unknown field": ("module: [tensors]", "found 'module'"),
    "no modules": ("title: a", r"modules: expected the chosen modules"),
    "an empty list of modules": ("modules: []", "name at least one"),
    "modules that are no list": ("modules: tensors", "expected a list"),
    "modules that are lists": ("modules: [[tensors]]", r"modules\[0\].*expected text"),
    "too many modules": ("modules: [" + "a," * 1001 + "]", "at most 1000"),
    "a title of two lines": ('title: "a\\nb"\nmodules: [tensors]', "on one line"),
    "a title too long": (f"title: {'a' * 201}\nmodules: [tensors]", "at most 200"),
    "a number that is none": ("first: one\nmodules: [tensors]", "expected a number such as 1"),
    "a number too large": ("first: 9999\nmodules: [tensors, losses]", "up to 9999"),
}

COURSES = {
    "another template": ("template: other\nmodules: [tensors]", "template: expected course"),
    "an unknown module": ("modules: [tensor]", "expected one of 01_tensors, 02_losses, 03_layers"),
    "a number of none": ("modules: [7]", "expected one of 01_tensors"),
    "a module twice": ("modules: [tensors, 01]", "'01' is there twice"),
    "before what it needs": (
        "modules: [layers, losses]",
        "03_layers comes before 02_losses, which it needs; put 02_losses before it",
    ),
    "without what it needs": (
        "modules: [tensors, layers]",
        "03_layers needs 02_losses, which is left out; add it, or name it under 'provided'",
    ),
    "provided by nobody": ("modules: [tensors]\nprovided: [tensor]", "provided: .*01_tensors"),
}

EXTRAS = {
    "a folder above": ("{from: ../x, to: y}", r"extra\[0\].from: .*'\.\.' as the name"),
    "a folder above, inside": ("{from: x/../../y, to: y}", r"extra\[0\].from"),
    "absolute": ("{from: /etc, to: y}", "an absolute path"),
    "to a folder above": ("{from: x, to: ../y}", r"extra\[0\].to: .*'\.\.' as the name"),
    "to the root": ("{from: x, to: /y}", "an absolute path"),
    "to the folder itself": ("{from: x, to: .}", "as the name of a folder"),
    "to nothing": ("{from: x, to: ''}", "expected 1 to 1024 letters"),
    "to a device": ("{from: x, to: nul}", "device on Windows"),
    "to hooks of git": ("{from: x, to: .git/hooks}", "other programs trust"),
    "to the record": ("{from: x, to: .course}", "keep their record"),
    "to the record, in other letters": ("{from: x, to: .COURSE/base}", "keep their record"),
    "to a file of the template": ("{from: x/a.py, to: modules/01_tensors/a.py}", "cannot both"),
    "to that file, in other letters": (
        "{from: x/a.py, to: modules/01_tensors/A.py}",
        "cannot both have",
    ),
    "in the way of a folder": ("{from: x/a.py, to: modules}", "cannot both have"),
    "below a file": ("{from: x/a.py, to: modules/01_tensors/a.py/b}", "cannot both have"),
    "with a module's number": ("{from: x, to: modules/01_project}", "one number or one name"),
    "with a module's name": ("{from: x, to: modules/07_tensors}", "one number or one name"),
    "inside another": ("{from: x, to: y}, {from: x/a.py, to: y/b}", "goes there too"),
    "twice": ("{from: x, to: y}, {from: x, to: z}", "is installed already"),
    "not there": ("{from: nowhere, to: y}", "expected 'nowhere' beside it, found nothing"),
    "below a file that is there": ("{from: x/a.py/b, to: y}", "found nothing"),
    "empty": ("{from: empty, to: y}", "expected files in 'empty'"),
    "a link": ("{from: link, to: y}", "found a link"),
    "behind a link": ("{from: link/a.py, to: y}", "found a link"),
    "a folder with a link in it": ("{from: linked, to: y}", "found a link or device"),
    "a pipe": ("{from: pipe, to: y}", "expected files and folders"),
    "without a place": ("{from: x}", "to: expected text, found nothing"),
    "an unknown field": ("{from: x, to: y, mode: 1}", "found 'mode'"),
    "an unknown policy": ("{from: x, to: y, policy: always}", "expected one of update"),
    "no table": ("x", "expected named fields, found text"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A template, and a folder of an instructor with all that may lie beside a course.yml."""
    write_template(tmp_path / "t", "1.0.0", FILES, more=MODULES)
    write_files(tmp_path / "c", {"x/a.py": "a\n", "linked/b": "b\n"})
    (tmp_path / "c/empty").mkdir()
    (tmp_path / "c/link").symlink_to("x")
    (tmp_path / "c/linked/link").symlink_to("/etc")
    os.mkfifo(tmp_path / "c/pipe")
    return tmp_path


def refused(place: Path, text: str | bytes, says: str) -> None:
    write_files(place / "c", {"course.yml": text})
    with pytest.raises((InputError, InvalidPackage), match=says):
        Workspace.init(place / "w", place / "t", config=place / "c")
    assert not (place / "w").exists()
    write_files(place / "c", {"course.yml": "modules: [tensors]\n"})
    workspace, _ = Workspace.init(place / "w", place / "t", config=place / "c")
    before = user_files(workspace.root)
    write_files(place / "c", {"course.yml": text})
    for operation in (workspace.plan_update, workspace.update):
        with pytest.raises((InputError, InvalidPackage), match=says):
            operation(place / "t", config=place / "c")
    assert user_files(workspace.root) == before
    assert workspace.plan_update(place / "t").updates == ()


@pytest.mark.parametrize("case", YAML)
def test_what_is_no_course(place: Path, case: str) -> None:
    text, says = YAML[case]
    with pytest.raises(InputError, match=says):
        parse_course(text if isinstance(text, bytes) else text.encode())
    refused(place, text, says)


@pytest.mark.parametrize("case", COURSES)
def test_courses_that_do_not_fit_the_template(place: Path, case: str) -> None:
    refused(place, *COURSES[case])


@pytest.mark.parametrize("case", EXTRAS)
def test_extra_assignments_that_break_the_rules(place: Path, case: str) -> None:
    extra, says = EXTRAS[case]
    refused(place, f"modules: [tensors]\nextra: [{extra}]\n", says)


def test_a_name_that_the_template_uses_for_something_else(place: Path) -> None:
    write_template(place / "t", "1.0.0", {**FILES, "tests/01_losses/a.py": ""}, more=MODULES)
    refused(place, "modules: [losses]", "gets the name 01_losses, which the template uses")


def test_what_is_provided_may_be_left_out(place: Path) -> None:
    write_files(place / "c", {"course.yml": "modules: [layers]\nprovided: [losses]\n"})
    workspace, _ = Workspace.init(place / "w", place / "t", config=place / "c")
    assert "modules/01_layers/a.py" in user_files(workspace.root)


ARCHIVES = {
    "no course in it": ({"x/a.py": "a"}, "expected one course.yml"),
    "two courses": ({"a/course.yml": "", "b/course.yml": ""}, "expected one course.yml"),
    "a damaged course": ({"course.yml": "modules: ["}, "course.yml, line 1"),
    "extras above": (
        {"s/course.yml": "modules: [tensors]\nextra: [{from: ../x, to: y}]", "x/a": "a"},
        "as the name of a folder",
    ),
    "a file above": (
        {"course.yml": "modules: [tensors]\nextra: [{from: x, to: y}]", "x/../../a": "a"},
        "as the name of a folder",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_are_no_courses(place: Path, case: str) -> None:
    members, says = ARCHIVES[case]
    with zipfile.ZipFile(place / "course.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    with tarfile.open(place / "course.tar.gz", "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    for path in ("course.zip", "course.tar.gz"):
        with pytest.raises((InputError, InvalidPackage), match=says):
            Workspace.init(place / "w", place / "t", config=place / path)
        assert not (place / "w").exists()


def test_a_link_in_an_archive(place: Path) -> None:
    with tarfile.open(place / "course.tar", "w") as tar:
        text = b"modules: [tensors]\nextra: [{from: x, to: y}]"
        info = tarfile.TarInfo("course.yml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("x/a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(InvalidPackage, match="found a link"):
        Workspace.init(place / "w", place / "t", config=place / "course.tar")


def test_without_pyyaml_the_error_names_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    write_files(place / "c", {"course.yml": "modules: [tensors]"})
    with pytest.raises(InputError, match=r"pip install 'sapwood\[course\]'"):
        Workspace.init(place / "w", place / "t", config=place / "c")
    # Whoever has no course needs none, nor does a workspace that was made from one.
    Workspace.init(place / "w", place / "t")
    monkeypatch.undo()
    workspace, _ = Workspace.init(place / "v", place / "t", config=place / "c")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert workspace.plan_update(place / "t").course is not None


LINES = st.sampled_from(
    [
        "modules:",
        "  - a",
        "- b",
        "extra:",
        "from: x",
        "? ",
        "!t",
        "&a",
        "*a",
        "[",
        "}",
        "'",
        "|",
        "\t",
    ]
)


@given(st.one_of(st.binary(max_size=200), st.lists(LINES).map(lambda x: "\n".join(x).encode())))
def test_whatever_the_bytes_the_error_is_ours(data: bytes) -> None:
    with contextlib.suppress(InputError):
        parse_course(data)


RECORDED = {
    "no table": [],
    "nothing": {},
    "a name that is none": {"first": 1, "modules": ["tensors"]},
    "a name that leads away": {"first": 1, "modules": ["01_../../x"]},
    "a name twice": {"first": 1, "modules": ["01_tensors", "02_tensors"]},
    "a number for a name": {"first": 1, "modules": [1]},
    "a number too large": {"first": 9999, "modules": ["01_a", "02_b"]},
    "an extra that leads away": {
        "first": 1,
        "modules": [],
        "extra": [{"from": "x", "to": "../x"}],
    },
    "an unknown policy": {
        "first": 1,
        "modules": [],
        "extra": [{"from": "x", "to": "x", "policy": "always"}],
    },
}


@pytest.mark.parametrize("course", RECORDED.values(), ids=RECORDED)
def test_records_of_courses_that_are_damaged(place: Path, course: object) -> None:
    workspace, _ = Workspace.init(place / "w", place / "t")
    file = place / "w/.course/version.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "course": course}))
    before = file.read_bytes()
    for operation in (workspace.status, lambda: workspace.update(place / "t")):
        with pytest.raises(InvalidWorkspace, match=r"version\.json\.course"):
            operation()
    assert file.read_bytes() == before


def test_errors_name_their_place(place: Path) -> None:
    write_files(place / "c", {"course.yml": "modules: [nothing]"})
    with pytest.raises(SapwoodError) as found:
        Workspace.init(place / "w", place / "t", config=place / "c/course.yml")
    assert str(found.value).startswith(f"{place / 'c/course.yml'}.modules: 'nothing': expected")
