"""What doctor finds: for each fault the finding, and that its remedy makes it go away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from export_templates import AUTOGRAD, DONE, FIRST, LOSSES, SECOND, TEST, write_course
from sapwood.cli import workspace_cli
from sapwood.workspace import Finding, Severity, Workspace
from sapwood.workspace.disk.locking import locked
from sapwood.workspace.doctor.environment import python_version
from sapwood.workspace.doctor.findings import TEMPLATE
from sapwood.workspace.doctor.state import LOW, space
from template_folders import Clock, notebook, own_files, user_files, write_files

OK, NOTE, PROBLEM = Severity.OK, Severity.NOTE, Severity.PROBLEM
INSTALLED = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"


@dataclasses.dataclass(frozen=True)
class Case:
    """A workspace of 1.0.0, the template 1.1.0, and folders that are in Python's path."""

    folder: Path
    course: Workspace

    @property
    def root(self) -> Path:
        return self.course.root

    def template(self, version: str = "1.0.0") -> Path:
        return self.folder / version

    def found(self, version: str = "1.0.0") -> list[Finding]:
        """What is no order."""
        findings = self.course.examine(self.template(version))
        return [one for one in findings if one.severity is not OK]

    def kinds(self, version: str = "1.0.0") -> list[str]:
        return [one.kind for one in self.found(version)]

    def run(self, finding: Finding, version: str = "1.0.0") -> int:
        """Runs the command that a finding names."""
        assert finding.remedy is not None
        words = [one for one in finding.remedy.command if one != TEMPLATE]
        assert words
        if "reset" in words:
            words.append("--yes")
        with contextlib.chdir(self.root):
            return workspace_cli("tito", self.template(version))([*words, "--quiet"])


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A workspace in which nothing is wrong."""
    for version in ("1.0.0", "1.1.0"):
        write_course(tmp_path / version, version)
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    course, _ = Workspace.init(tmp_path / "course", tmp_path / "1.0.0", clock=Clock())
    course.export(tmp_path / "1.0.0")
    made = Case(tmp_path, course)
    assert made.found() == []
    return made


def one(findings: list[Finding], kind: str) -> Finding:
    (found,) = (finding for finding in findings if finding.kind == kind)
    return found


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
        outcome = case.course.update(case.template("1.1.0"), replace=True)
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
    with locked(case.root / ".course/lock"):
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


def install(site: Path, name: str, version: str, files: Mapping[str, str] | None = None) -> None:
    """Puts a distribution where Python finds it, as pip would."""
    shutil.rmtree(site)
    info = f"{name}-{version}.dist-info"
    record = "".join(f"{path},,\n" for path in files or {})
    about = {f"{info}/METADATA": INSTALLED.format(name, version), f"{info}/RECORD": record}
    write_files(site, {**(files or {}), **about})


def test_packages(case: Case) -> None:
    manifest = case.template() / "sapwood-template.toml"
    needed = '"twigs>=2", "branches; python_version < \'3\'"'
    manifest.write_text(manifest.read_text().replace('"numpy>=1.26"', needed))
    found = one(case.found(), "package")
    assert (found.subject, found.message) == ("twigs", "not installed; expected twigs>=2")
    assert found.remedy is not None
    assert found.remedy.text == f"{sys.executable} -m pip install 'twigs>=2'"
    site = case.folder / "site"
    install(site, "twigs", "1.9")
    assert one(case.found(), "package").message == "1.9 is installed; expected twigs>=2"
    install(site, "twigs", "broken!")
    assert one(case.found(), "package").message == "damaged; expected twigs>=2"
    install(site, "twigs", "2.0rc1")
    assert one(case.found(), "package").severity is PROBLEM  # before 2
    install(site, "twigs", "2.1")
    assert case.kinds() == []


def test_an_installed_package_of_the_same_name(case: Case) -> None:
    site = case.folder / "site"
    write_files(site, {"leaf/__init__.py": "raise SystemExit\n"})
    found = one(case.found(), "import")
    assert (found.severity, found.subject) == (PROBLEM, "leaf")
    assert found.message == (
        f"another one is installed: {site}/leaf/__init__.py; where Python starts in the "
        f"workspace, leaf/__init__.py is imported, by this program {site}/leaf/__init__.py"
    )
    assert found.remedy is not None
    assert found.remedy.text == "remove it or rename it"
    install(site, "our-leaf", "1.0", {"leaf/__init__.py": ""})
    found = one(case.found(), "import")
    assert found.remedy is not None
    assert found.remedy.text == f"{sys.executable} -m pip uninstall our-leaf"
    shutil.rmtree(site / "leaf")
    assert case.kinds() == []
    write_files(site, {"leaf/__pycache__/left.pyc": "over"})  # loses, wherever Python starts
    assert case.kinds() == []


def test_a_package_without_init_loses(case: Case) -> None:
    (case.root / "leaf/__init__.py").unlink()
    found = one(case.found(), "import")
    assert "leaf/ has no __init__.py" in found.message
    site = case.folder / "site"
    write_files(site, {"leaf.py": ""})
    message = one(case.found(), "import").message
    assert f"in the workspace, {site}/leaf.py is imported" in message
    (site / "leaf.py").unlink()
    assert case.run(found) == 0
    assert case.kinds() == []
    shutil.rmtree(case.root / "leaf")
    found = one(case.found(), "import")
    assert (found.severity, found.message) == (NOTE, "not in the workspace yet")
    assert case.run(found) == 0
    assert case.kinds() == []


class Hook:
    """A finder as editable installations add one."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        return spec_from_file_location(name, self.file) if name == "leaf" else None


def test_an_editable_package_of_the_same_name(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(case.folder, {"src/leaf/__init__.py": ""})
    file = case.folder / "src/leaf/__init__.py"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [*sys.meta_path, Hook(file)])
        assert str(file) in one(case.found(), "import").message
    assert case.kinds() == []


@pytest.mark.parametrize(
    ("path", "whose"),
    [
        ("random.py", "Python's own"),
        ("numpy.py", "the package numpy"),
        ("numpy/__init__.py", "the package numpy"),
        ("modules/05_autograd/json.py", "Python's own"),
        ("tests/05_autograd/types.py", "Python's own"),
    ],
)
def test_files_that_shadow_others(case: Case, path: str, whose: str) -> None:
    write_files(case.root, {path: "raise SystemExit\n"})
    found = one(case.found(), "shadow")
    name = path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
    assert (found.severity, found.subject) == (PROBLEM, path)
    assert found.message == f"is imported as {name}, in place of {whose}"
    assert found.remedy is not None
    assert found.remedy.text == "rename it"
    (case.root / path).rename(case.root / "other.py")
    assert "shadow" not in case.kinds()


@pytest.mark.parametrize(
    "path",
    [
        *("sys.py", "os.py", "time.py"),  # Python has them before it looks anywhere
        *("random.txt", "json/data.txt", "numpy/data.csv", "test/data.txt"),
        *("leaf/random.py", "deep/er/random.py", "leaf.py.bak", "random"),
    ],
)
def test_files_that_shadow_nothing(case: Case, path: str) -> None:
    write_files(case.root, {path: "raise SystemExit\n"})
    assert case.kinds() == []


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
