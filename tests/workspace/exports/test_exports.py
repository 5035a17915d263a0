"""Exports: laws of what becomes of a notebook, and what is done with what is there already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InputError
from sapwood.workspace import ExportState, Workspace
from sapwood.workspace.exporting.code import exported_module, is_sealed, is_untouched
from support.export_templates import AUTOGRAD, DONE, FIRST, LOSSES, cells, write_course
from support.failing_calls import killed_at
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)

CODE = st.sampled_from(
    [
        "x = 1",
        "def f():\n    return '\u00e9\U0001f331'",
        "",
        "'''a\n\n\nb'''",
        "# only a note",
        "x = (\n  1)",
    ]
)
MARKS = st.sampled_from(["#| export\n", "# | export\n", "#|export \n", "\n#| export\n"])
OTHER = st.tuples(
    st.sampled_from(["code", "markdown", "raw"]),
    st.sampled_from(["%timeit x", "# export\nx = 2", "text", "", "#| hide\nx = 3", "not ( python"]),
)
CELL = st.one_of(
    st.tuples(st.just("code"), st.builds(str.__add__, MARKS, CODE)),
    OTHER,
)


def marked_code(listed: list[tuple[str, str]]) -> list[str]:
    """The code of marked cells, by another way than the exporter's."""
    sources = [s.lstrip("\n") for k, s in listed if k == "code"]
    heads = ("#| export", "# | export", "#|export")
    return [s.split("\n", 1)[1] for s in sources if s.startswith(heads)]


@given(st.lists(CELL, max_size=8))
def test_the_module_is_the_marked_cells_in_their_order(listed: list[tuple[str, str]]) -> None:
    code = marked_code(listed)
    if not code:
        with pytest.raises(InputError, match="found none"):
            exported_module(cells(*listed), "a.ipynb")
        return
    made = exported_module(cells(*listed), "a.ipynb")
    assert exported_module(cells(*listed), "a.ipynb") == made
    assert is_untouched(made)
    head, _, body = made.decode().partition("\n\n")
    assert body == "\n\n\n".join(one.strip("\n") for one in code) + "\n"
    assert head.splitlines()[1] == "# Generated from a.ipynb: edit that one, and export it again."
    expected: dict[str, object] = {}
    for one in code:
        exec(one, expected)
    found: dict[str, object] = {}
    exec(made, found)
    assert found.keys() - {"__doc__"} == expected.keys() - {"__doc__"}


@given(st.lists(CELL, max_size=6), st.lists(CELL, max_size=6), st.data())
def test_only_marked_cells_count(
    before: list[tuple[str, str]], after: list[tuple[str, str]], data: st.DataObject
) -> None:
    middle = ("code", "#| export\ny = 1")
    made = exported_module(cells(*before, middle, *after), "a.ipynb")
    others = data.draw(st.lists(OTHER, max_size=3))
    assert exported_module(cells(*others, *before, middle, *after, *others), "a.ipynb") == made
    for source in (
        "#| export\ny = 2",
        "#| export\ny = 1  # why",
        "#| export\n y = 1".replace(" y", "z"),
    ):
        assert exported_module(cells(*before, ("code", source), *after), "a.ipynb") != made
    assert exported_module(cells(*before, *after, ("code", "#| export\ny = 3")), "a.ipynb") != made


@given(st.binary(max_size=40), st.integers(0, 200))
def test_an_edit_by_hand_is_seen(added: bytes, at: int) -> None:
    made = exported_module(cells(("code", "#| export\nx = 1")), "a.ipynb")
    edited = made[:at] + added + made[at:]
    assert is_untouched(edited) is (edited.replace(b"\r\n", b"\n") == made)
    windows = made.replace(b"\n", b"\r\n")
    assert is_sealed(windows)
    assert is_untouched(windows)


REFUSED = {
    "a syntax error": ("#| export\nx = 1\ndef f(:\n", r"cell 2, line 3: expected Python: "),
    "a line magic": ("#| export\n%matplotlib inline\n", r"cell 2, line 2: .*'%matplotlib inline'"),
    "a shell command": ("#| export\nx = 1\nif x:\n    !ls\n", r"cell 2, line 4: .*'!ls'"),
    "what a command says": ("#| export\nfiles = !ls\n", r"cell 2, line 2: .*only notebooks know"),
    "a question": ("#| export\nlen?\n", r"cell 2, line 2: .*'len\?'"),
    "an await outside of functions": ("#| export\nawait x\n", r"cell 2, line 2: .*'await'"),
    "a return": ("#| export\nreturn 1\n", r"cell 2, line 2: .*'return'"),
    "a cell that ends too soon": ("#| export\nx = (\n", r"cell 2, line 2: .*never closed"),
    "a NUL": ("#| export\nx = '\0'\n", r"cell 2, line \d: expected Python"),
    "half a surrogate pair": ("#| export\nx = '\ud800'\n", r"cell 2, line 1: expected Python"),
    "a future too late": (
        "#| export\nfrom __future__ import annotations\n",
        r"cell 2: .*beginning",
    ),
    "nesting without end": (
        "#| export\n" + "-" * 100_000 + "1\n",
        r"cell 2, line 1: expected Python that can be compiled",
    ),
    "brackets without end": (
        "#| export\n" + "(" * 10_000 + "\n",
        r"cell 2, line \d: expected Python",
    ),
    "another directive of nbdev": ("#| exporti\nx = 1\n", r"cell 2: expected '#\| export' alone"),
    "a module of its own": ("#| export core\nx = 1\n", r"cell 2: expected '#\| export' alone"),
    "too much": ("#| export\n" + "x = 1\n" * 200_000, r"expected at most 1048576 letters"),
    "spaces on which a pattern could go back and forth for days": (
        f"#| export x{' ' * 1_000_000}y\n",
        r"cell 2: expected '#\| export' alone",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_python_is_told_with_its_place(case: str) -> None:
    source, message = REFUSED[case]
    book = cells(("code", "#| export\nbefore = 1"), ("code", source))
    with pytest.raises(InputError, match=rf"^a\.ipynb: {message}"):
        exported_module(book, "a.ipynb")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"nbformat": 4}', b'{"nbformat": 3}', b"\xff"]
)
def test_what_is_no_notebook_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="notebook of format 4"):
        exported_module(data, "a.ipynb")


def test_code_that_warns_is_exported() -> None:
    book = cells(("code", "#| export\nx = '\\d' is 1"))
    assert b"is 1" in exported_module(book, "a.ipynb")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return write_course(tmp_path / "1.0.0", "1.0.0")


@pytest.fixture
def course(tmp_path: Path, template: Path) -> Workspace:
    return Workspace.init(tmp_path / "course", template, clock=Clock())[0]


def states(course: Workspace, template: Path) -> list[str]:
    return [one.state.value for one in course.exports(template)]


def test_a_session(course: Workspace, template: Path) -> None:
    record = (course.root / ".course/version.json").read_bytes()
    assert states(course, template) == ["never exported"] * 2
    done = course.export(template, ["autograd"])
    assert done.written == ("leaf/autograd.py", "leaf/__init__.py")
    assert (done.kept, done.backup, done.missed) == ((), None, ())
    assert states(course, template) == ["never exported", "fresh"]
    write_files(course.root, {AUTOGRAD: notebook(*FIRST, "# more", outputs=True)})
    assert states(course, template) == ["never exported", "fresh"]
    write_files(course.root, {AUTOGRAD: notebook(*DONE)})
    assert states(course, template) == ["never exported", "stale"]
    assert course.export(template).written == ("leaf/losses.py", "leaf/autograd.py")
    assert states(course, template) == ["fresh", "fresh"]
    assert course.export(template).written == ()
    # Python takes it, from the workspace's folder.
    code = "from leaf.autograd import mine; from leaf.losses import loss; print(mine(2) + loss(3))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=course.root, capture_output=True, check=True
    )
    assert ran.stdout.split() == [b"16"]
    # The record knows nothing of it, and updates leave it alone.
    assert (course.root / ".course/version.json").read_bytes() == record
    assert course.plan_update(template).updates == ()
    assert {one.name for one in (course.root / ".course").iterdir()} <= {
        *("version.json", "base", "lock", "stamps.json"),
    }


def test_what_was_edited_by_hand_stays_or_is_backed_up(course: Workspace, template: Path) -> None:
    course.export(template)
    root = course.root
    edited = (root / "leaf/autograd.py").read_bytes() + b"extra = 1\n"
    own = b"mine, from before\n"
    write_files(root, {"leaf/autograd.py": edited, "leaf/losses.py": own})
    assert states(course, template) == ["foreign", "edited"]
    done = course.export(template)
    assert done.kept == ("leaf/losses.py", "leaf/autograd.py")
    assert (done.written, done.backup) == ((), None)
    done = course.export(template, replace=True)
    assert done.written == ("leaf/losses.py", "leaf/autograd.py")
    assert done.backup is not None
    assert done.backup.startswith("export_")
    assert own_files(root, f"backups/{done.backup}/files") == {
        "leaf/autograd.py": edited,
        "leaf/losses.py": own,
    }
    assert states(course, template) == ["fresh", "fresh"]
    restored = course.restore(done.backup, ["leaf/losses.py"])
    assert restored.paths == ("leaf/losses.py",)
    assert states(course, template) == ["foreign", "fresh"]


def test_all_or_nothing(course: Workspace, template: Path) -> None:
    write_files(course.root, {AUTOGRAD: notebook(*FIRST, "#| export\nx = = 1")})
    before = user_files(course.root)
    with pytest.raises(InputError, match=f"{AUTOGRAD}: cell 4, line 2: .*nothing was exported"):
        course.export(template)
    assert user_files(course.root) == before
    assert states(course, template) == ["never exported", "broken"]
    assert course.export(template, ["4"]).written == ("leaf/losses.py", "leaf/__init__.py")


def test_what_is_in_the_way(course: Workspace, template: Path, tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"a.py": "theirs\n"})
    target = course.root / "leaf/autograd.py"
    target.parent.mkdir()
    target.symlink_to(outside / "a.py")
    with pytest.raises(InputError, match=r"leaf/autograd\.py: a link is in the way"):
        course.export(template, replace=True)
    assert states(course, template) == ["never exported", "blocked"]
    target.unlink()
    target.mkdir()
    with pytest.raises(InputError, match="a folder is in the way"):
        course.export(template)
    shutil.rmtree(target.parent)
    target.parent.symlink_to(outside)
    with pytest.raises(InputError, match="a link in place of the folder leaf"):
        course.export(template)
    assert user_files(tmp_path / "outside") == {"a.py": b"theirs\n"}
    target.parent.unlink()
    (course.root / LOSSES).unlink()
    (course.root / LOSSES).symlink_to(course.root / AUTOGRAD)
    with pytest.raises(InputError, match=f"{LOSSES}: a link"):
        course.export(template)
    (course.root / LOSSES).unlink()
    with pytest.raises(InputError, match="restore it"):
        course.export(template, ["04"])
    assert course.export(template).written == ("leaf/autograd.py", "leaf/__init__.py")
    assert states(course, template) == ["gone", "fresh"]


def test_a_module_without_exports_and_another_template(
    course: Workspace, template: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="04_losses, 05_autograd"):
        course.export(template, ["06"])
    more = '[[modules]]\nname = "06_optimizers"\n'
    write_course(tmp_path / "more", "1.0.0", more=more)
    with pytest.raises(InputError, match="06_optimizers: expected a module with exports"):
        course.export(tmp_path / "more", ["06"])
    write_template(tmp_path / "other", "1.0.0", {"a": "b"}, name="other")
    for look in (course.exports, course.export):
        with pytest.raises(InputError, match="expected the template course"):
            look(tmp_path / "other")


def test_an_init_of_the_template_is_the_template_s(tmp_path: Path) -> None:
    template = write_course(tmp_path / "own", "1.0.0")
    write_files(template, {"leaf/__init__.py": "version = 1\n"})
    course, _ = Workspace.init(tmp_path / "course", template, clock=Clock())
    (course.root / "leaf/__init__.py").unlink()
    assert course.export(template, ["05"]).written == ("leaf/autograd.py",)


def test_files_on_windows_count_by_their_content(course: Workspace, template: Path) -> None:
    course.export(template)
    file = course.root / "leaf/losses.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    file.chmod(0o600)
    assert states(course, template) == ["fresh", "fresh"]
    write_files(course.root, {LOSSES: notebook("#| export\nx = 2")})
    assert states(course, template) == ["stale", "fresh"]
    course.export(template)
    assert (b"\r" in file.read_bytes(), file.stat().st_mode & 0o777) == (False, 0o600)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_call(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    start, _ = Workspace.init(tmp_path / "start", template, clock=Clock())
    write_files(start.root, {AUTOGRAD: notebook(*DONE), "leaf/losses.py": "my own work\n"})
    expected = tmp_path / "expected"
    shutil.copytree(start.root, expected)
    Workspace.open(expected).export(template, replace=True)
    at, killed, root = 0, True, tmp_path / "course"
    while killed:
        at += 1
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start.root, root)

        def export() -> None:
            Workspace.open(root, clock=Clock()).export(template, replace=True)

        killed = killed_at(export, at)
        kept = {*user_files(root).values(), *own_files(root, "backups").values()}
        assert b"my own work\n" in kept, at
        export()
        assert user_files(root) == user_files(expected), at
        assert not (root / ".course/journal.json").exists()
        assert not (root / ".course/staging").exists()
    assert at > 20


def test_states_are_words_for_programs() -> None:
    assert [one.value for one in ExportState] == [
        *("fresh", "never exported", "stale", "edited", "foreign", "blocked", "broken", "gone"),
    ]
