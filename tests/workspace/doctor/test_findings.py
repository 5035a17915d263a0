"""What doctor finds: for each fault the finding, and that its remedy makes it go away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from sapwood.errors import Busy
from sapwood.files.locks import exclusive
from sapwood.workspace import UpdateRequest
from sapwood.workspace.doctor.environment import python_version
from sapwood.workspace.doctor.state import LOW, space
from support.doctor_case import NOTE, OK, PROBLEM, Case, new_case, one
from support.export_templates import AUTOGRAD, DONE, TEST
from support.template_folders import notebook, user_files, write_files


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return new_case(tmp_path, monkeypatch)


def test_all_in_order_is_said_too(case: Case) -> None:
    kinds = [found.kind for found in case.course.examine(case.template())]
    assert kinds == [
        *("record", "template", "space", "files", "python", "package", "import"),
        *("export", "export"),
    ]


def test_nothing_is_written(case: Case) -> None:
    write_files(case.root, {TEST: "mine\n", "random.py": "raise SystemExit\n"})
    (case.root / ".course/stamps.json").unlink(missing_ok=True)
    (case.root / ".course/lock").unlink()

    def unread() -> dict[str, tuple[object, ...]]:
        # All but the time of reading, which a file system may keep.
        stats = {str(at): at.lstat() for at in sorted(case.root.rglob("*"))}
        return {
            name: (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            for name, status in stats.items()
        }

    before = unread()
    assert "shadow" in case.kinds("1.1.0")
    assert unread() == before


def test_a_damaged_record(case: Case) -> None:
    record = case.root / ".course/version.json"
    record.write_text("{")
    write_files(case.root, {TEST: "mine\n"})
    found = one(case.found(), "record")
    assert (found.severity, found.subject) == (PROBLEM, ".course/version.json")
    assert found.remedy is not None
    assert found.remedy.text == "move .course/version.json away"
    record.rename(case.folder / "damaged.json")
    before = user_files(case.root)
    assert case.run(found) == 21
    assert user_files(case.root) == before
    assert case.kinds() == ["incoming"]  # for what the user changed


def test_a_record_that_is_too_new(case: Case) -> None:
    record = case.root / ".course/version.json"
    value = json.loads(record.read_bytes())
    record.write_text(json.dumps({**value, "schema": 99}))
    found = one(case.found(), "record")
    assert found.remedy is not None
    assert found.remedy.text == "pip install --upgrade sapwood"
    record.write_text(json.dumps(value))
    assert case.kinds() == []


def test_a_template_that_is_gone_or_another(case: Case) -> None:
    shutil.move(case.template(), case.folder / "away")
    found = one(case.found(), "template")
    assert found.severity is PROBLEM
    shutil.move(case.folder / "away", case.template())
    manifest = case.template() / "sapwood-template.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace('name = "course"', 'name = "other"', 1))
    assert "expected the template course, found other" in one(case.found(), "template").message
    manifest.write_text("schema = 99")
    assert "update sapwood" in one(case.found(), "template").message
    manifest.write_text(text)
    assert case.kinds() == []
    kinds = [found.kind for found in case.course.examine()]
    assert kinds == ["record", "space", "files"]


def test_an_update_waits(case: Case) -> None:
    found = one(case.found("1.1.0"), "update")
    assert found.severity is NOTE
    assert found.message == "update waits: 1.1.0 is installed, the workspace has 1.0.0"
    assert case.run(found, "1.1.0") == 0
    assert "update" not in case.kinds("1.1.0")
    found = one(case.found(), "update")
    assert found.severity is PROBLEM
    assert found.message == "1.0.0 is installed, and the workspace has the later 1.1.0"


def test_files_that_are_missing_or_blocked(case: Case) -> None:
    (case.root / TEST).unlink()
    found = one(case.found(), "missing")
    assert (found.severity, found.subject) == (NOTE, TEST)
    assert case.run(found) == 0
    assert case.kinds() == []
    (case.root / TEST).unlink()
    (case.root / TEST).mkdir()
    found = one(case.found(), "blocked")
    assert (found.severity, found.message) == (PROBLEM, "a folder is in its place")
    (case.root / TEST).rmdir()
    assert case.run(found) == 0
    assert case.kinds() == []


def test_a_file_that_may_not_be_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read anything, so the answer is given."""

    def refuse(root: str, path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr("sapwood.workspace.disk.scanning.file_hash", refuse)
        (case.root / ".course/stamps.json").unlink()
        found = [one for one in case.found() if one.kind == "blocked"]
        assert TEST in {one.subject for one in found}
        assert {one.message for one in found} == {"something unreadable is in its place"}
        remedies = {one.remedy.text for one in found if one.remedy is not None}
        assert remedies == {"give yourself the right to read it"}
        before = user_files(case.root)
        outcome = case.course.update(case.template("1.1.0"), UpdateRequest(replace=True))
        assert {one.state.value for one in outcome.plan.conflicts} == {"blocked"}
        assert user_files(case.root) == before
    assert "blocked" not in case.kinds()


def test_a_conflict_waits_beside(case: Case) -> None:
    write_files(case.root, {TEST: "mine\n"})
    case.course.update(case.template("1.1.0"))
    found = one(case.found("1.1.0"), "incoming")
    beside = f".course/incoming/1.1.0/{TEST}"
    assert found.subject == TEST
    assert found.remedy is not None
    assert beside in found.remedy.text
    shutil.copy(case.root / beside, case.root / TEST)  # taken over
    assert "incoming" not in case.kinds("1.1.0")
    write_files(case.root, {TEST: "mine\n"})
    (case.root / beside).unlink()  # decided against
    assert "incoming" not in case.kinds("1.1.0")


def test_many_findings_of_one_kind_are_counted(case: Case) -> None:
    incoming = {f".course/incoming/1.1.0/notes/{i:03}.md": "x" for i in range(45)}
    write_files(case.root, incoming)
    found = case.found()
    assert [finding.kind for finding in found] == ["incoming"] * 21
    assert found[-1].subject == "25 more"


def test_files_that_left_the_template(case: Case) -> None:
    template = case.template("1.1.0")
    (template / TEST).unlink()
    write_files(case.root, {TEST: "mine\n"})
    case.course.update(template)
    found = one(case.found("1.1.0"), "retired")
    assert (found.severity, TEST in found.message) == (NOTE, True)
    (case.root / TEST).unlink()
    assert "retired" not in case.kinds("1.1.0")


def test_a_change_that_was_interrupted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sapwood.workspace.change.applying.apply_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            case.course.update(case.template("1.1.0"))
    found = one(case.found("1.1.0"), "unfinished")
    assert (found.severity, found.message) == (PROBLEM, "a change of 1 file was interrupted")
    assert case.run(found, "1.1.0") == 0
    assert "unfinished" not in case.kinds("1.1.0")
    (case.root / ".course/staging/0123456789abcdef").mkdir(parents=True)
    found = one(case.found("1.1.0"), "unfinished")
    assert found.severity is NOTE
    assert case.run(found, "1.1.0") == 0
    assert "unfinished" not in case.kinds("1.1.0")
    journal = case.root / ".course/journal.json"
    journal.write_text("{")
    found = one(case.found("1.1.0"), "unfinished")
    assert found.severity is PROBLEM
    assert found.remedy is not None
    assert found.remedy.text.startswith("move .course/journal.json away")
    journal.unlink()
    assert "unfinished" not in case.kinds("1.1.0")


def test_another_program_is_at_work(case: Case) -> None:
    with exclusive(case.root / ".course/lock", Busy("held")):
        found = one(case.found(), "busy")
        assert "another program" in found.message
    assert case.kinds() == []


def test_python_and_room() -> None:
    assert python_version(SpecifierSet(">=3.11")).severity is OK
    found = python_version(SpecifierSet("<3"))
    assert (found.severity, "expected <3" in found.message) == (PROBLEM, True)
    assert (space(LOW).severity, space(LOW - 1).severity) == (OK, PROBLEM)


def test_no_right_to_write(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    own = case.root / ".course"
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: path not in {own, own / "lock"})
        found = one(case.found(), "writable")
        assert (found.severity, found.subject) == (PROBLEM, ".course/")
    assert case.kinds() == []


def test_engine_messages_name_no_program(case: Case) -> None:
    write_files(case.root, {"random.py": "", "leaf/losses.py": "x", TEST: "mine\n"})
    case.course.update(case.template("1.1.0"))
    (case.root / AUTOGRAD).unlink()
    findings = case.course.examine(case.template())
    for found in findings:
        assert "sapwood workspace" not in f"{found.message} {found.remedy}"
        assert (found.remedy is None) or found.severity is not OK


Change = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda own: (own / "version.json").write_bytes(b"\xff" * 100),
        lambda own: ((own / "version.json").unlink(), (own / "version.json").mkdir()),
        lambda own: (own / "journal.json").mkdir(),
        lambda own: ((own / "lock").unlink(), (own / "lock").mkdir()),
        lambda own: (own / "stamps.json").write_bytes(b"[1"),
        lambda own: shutil.rmtree(own / "base"),
        lambda own: (own / "incoming").symlink_to("/"),
        lambda own: (own / "staging").write_text("no folder"),
    ],
)
def test_it_runs_whatever_is_damaged(case: Case, damage: Change) -> None:
    (case.root / AUTOGRAD).write_bytes(notebook(*DONE))
    damage(case.root / ".course")
    kinds = case.kinds("1.1.0")
    assert {"export", "fix"} & set(kinds) or "record" in kinds
