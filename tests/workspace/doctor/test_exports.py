"""What doctor finds of exports: stale, edited, in the way, or without a fix that a release has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.doctor_case import NOTE, OK, PROBLEM, Case, new_case, one
from support.export_templates import AUTOGRAD, DONE, FIRST, LOSSES, SECOND
from support.template_folders import notebook, own_files


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return new_case(tmp_path, monkeypatch)


def test_the_states_of_exports(case: Case) -> None:
    module, book = case.root / "leaf/autograd.py", case.root / AUTOGRAD
    book.write_bytes(notebook(*DONE))
    found = one(case.found(), "export")
    assert (found.severity, found.message) == (PROBLEM, f"{AUTOGRAD} was changed since")
    assert case.run(found) == 0
    assert case.kinds() == []
    module.write_bytes(module.read_bytes() + b"extra = 1\n")
    found = one(case.found(), "export")
    assert found.message == f"edited by hand; what is to last belongs into {AUTOGRAD}"
    assert case.run(found) == 0
    module.write_text("my own\n")
    assert "not exported" in one(case.found(), "export").message
    assert case.run(one(case.found(), "export")) == 0
    assert case.kinds() == []
    module.unlink()
    found = one(case.found(), "export")
    assert (found.severity, found.message) == (NOTE, f"never exported from {AUTOGRAD}")
    assert case.run(found) == 0
    assert case.kinds() == []


def test_exports_that_cannot_be_made(case: Case) -> None:
    module, book = case.root / "leaf/autograd.py", case.root / AUTOGRAD
    good = book.read_bytes()
    book.write_bytes(notebook(*FIRST, "#| export\n%timeit slope(1)"))
    found = one(case.found(), "export")
    assert (found.severity, "cell 4, line 2" in found.message) == (PROBLEM, True)
    book.write_bytes(good)
    assert case.run(found) == 0
    assert case.kinds() == []
    module.unlink()
    module.symlink_to(book)
    found = one(case.found(), "export")
    assert found.message == "a link is in its place"
    module.unlink()
    assert case.run(found) == 0
    assert case.kinds() == []


def test_a_module_that_was_not_begun_needs_no_export(case: Case) -> None:
    shutil.rmtree(case.root / "leaf")
    exports = [found for found in case.course.examine(case.template()) if found.kind == "export"]
    assert {found.severity for found in exports} == {OK}
    assert {found.message for found in exports} == {
        f"never exported; {path} is as it was installed" for path in (AUTOGRAD, LOSSES)
    }


def test_a_student_who_is_done_learns_of_the_fix(case: Case) -> None:
    """Scenario C of the design: the exported code has the fault that the release mends."""
    (case.root / AUTOGRAD).write_bytes(notebook(*DONE))
    case.course.export(case.template(), ["05"])
    assert case.kinds() == []
    message = "exported code comes from version 1.0.0 of the module; 1.1.0 fixes it (bug fix)"
    found = one(case.found("1.1.0"), "fix")
    assert (found.severity, found.subject) == (PROBLEM, "leaf/autograd.py")
    assert found.message == message
    # An update does not touch the notebook, so the fault is still there.
    case.course.update(case.template("1.1.0"))
    assert case.kinds("1.1.0") == ["fix"]
    # The student merges, and exports.
    assert case.run(one(case.found("1.1.0"), "fix"), "1.1.0") == 0
    assert case.kinds("1.1.0") == ["export"]
    assert case.run(one(case.found("1.1.0"), "export"), "1.1.0") == 0
    assert case.kinds("1.1.0") == []
    exported = (case.root / "leaf/autograd.py").read_text()
    assert ("return 2 * x" in exported, "def mine" in exported) == (True, True)
    assert notebook(*DONE) in own_files(case.root, "backups").values()


def test_a_fix_that_was_taken_over_by_hand(case: Case) -> None:
    (case.root / AUTOGRAD).write_bytes(notebook(*DONE))
    case.course.export(case.template(), ["05"])
    (case.root / AUTOGRAD).write_bytes(notebook(*SECOND, DONE[-1]))
    assert case.kinds("1.1.0") == ["update", "export"]
    case.course.export(case.template("1.1.0"), ["05"])
    assert case.kinds("1.1.0") == ["update"]


def test_a_student_who_exported_what_was_installed_has_the_fix(case: Case) -> None:
    found = one(case.found("1.1.0"), "fix")
    assert case.run(found, "1.1.0") == 0  # which updates the module
    assert case.kinds("1.1.0") == ["update", "export"]
    assert case.run(one(case.found("1.1.0"), "export"), "1.1.0") == 0
    assert case.run(one(case.found("1.1.0"), "update"), "1.1.0") == 0
    assert case.kinds("1.1.0") == []
    assert b"return 2 * x" in (case.root / "leaf/autograd.py").read_bytes()


def test_a_notebook_that_is_gone(case: Case) -> None:
    (case.root / AUTOGRAD).unlink()
    missing, gone = case.found()
    assert (missing.kind, missing.subject) == ("missing", AUTOGRAD)
    assert (gone.kind, gone.message) == ("export", f"{AUTOGRAD} is not there")
    assert case.run(gone) == 0
    assert case.kinds() == []


def test_a_release_that_changes_no_exported_code_is_no_fix(case: Case) -> None:
    book = case.template("1.1.0") / AUTOGRAD
    book.write_bytes(notebook("# Derivatives, better explained", *FIRST[1:]))
    assert case.kinds("1.1.0") == ["update"]
