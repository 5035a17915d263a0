"""Damaged records, links in the way, two updates at once, odd clocks: each has a stated outcome."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sapwood.errors import (
    Busy,
    InputError,
    InvalidWorkspace,
    IoError,
    UnsupportedWorkspace,
    WorkspaceBusy,
)
from sapwood.files.locks import exclusive
from sapwood.workspace import Action, Blocked, State, UpdateRequest, Workspace
from sapwood.workspace.change import applying, staging
from sapwood.workspace.disk.scanning import Disk
from sapwood.workspace.record.journal import ChangeStep
from sapwood.workspace.record.places import Places
from support.template_folders import (
    Clock,
    notebook,
    own_files,
    user_files,
    write_files,
    write_template,
)

FIRST: dict[str, str | bytes] = {
    "tests/a.py": "a\nfirst\n",
    "tests/deep/b.py": "b\nfirst\n",
    "modules/m.ipynb": notebook("x = 1\n"),
}
SECOND: dict[str, str | bytes] = {
    "tests/a.py": "a\nsecond\n",
    "tests/deep/b.py": "b\nsecond\n",
    "modules/m.ipynb": notebook("x = 2\n"),
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_template(tmp_path / "old", "1.0.0", FIRST)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_template(tmp_path / "new", "1.1.0", SECOND)


@pytest.fixture
def course(tmp_path: Path, old: Path) -> Workspace:
    return Workspace.init(tmp_path / "course", old, clock=Clock())[0]


def test_the_record_is_as_the_design_shows_it(course: Workspace) -> None:
    record = json.loads((course.root / ".course/version.json").read_text())
    assert record["workspace_version"] == record["template_version"] == "1.0.0"
    assert record["created"] == record["last_updated"] == "2025-01-15T10:30:01Z"
    assert record["files"]["tests/a.py"]["version"] == "1.0.0"
    assert "modified" not in json.dumps(record)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return edit


RECORDS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:100],
    "no JSON": lambda data: b"\xff" + data,
    "a list": lambda data: b"[]",
    "deep nesting": lambda data: b"[" * 100_000,
    "a key twice": lambda data: b'{"format": "sapwood-workspace", "format": "x"}',
    "another format": edited(lambda value: value.update(format="other")),
    "no files": edited(lambda value: value.pop("files")),
    "a path that leads away": edited(
        lambda value: value["files"].update({"../x": value["files"]["tests/a.py"]})
    ),
    "another hash": edited(lambda value: value["files"]["tests/a.py"].update(hash="md5:1")),
    "a blob that leads away": edited(
        lambda value: value["files"]["tests/a.py"].update(blob="../x")
    ),
    "no version": edited(lambda value: value.update(template_version="new")),
    "no time": edited(lambda value: value.update(created="yesterday")),
    "another template's": edited(lambda value: value.update(template="novel")),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_damaged_record_is_refused_and_nothing_is_touched(
    case: str, course: Workspace, new: Path
) -> None:
    record = course.root / ".course/version.json"
    record.write_bytes(RECORDS[case](record.read_bytes()))
    damaged, before = record.read_bytes(), user_files(course.root)
    for operation in (lambda: course.update(new), course.status, lambda: course.plan_update(new)):
        with pytest.raises(InvalidWorkspace):
            operation()
    assert record.read_bytes() == damaged
    assert user_files(course.root) == before


def test_a_record_of_a_newer_program_is_never_written(course: Workspace, new: Path) -> None:
    record = course.root / ".course/version.json"
    record.write_bytes(edited(lambda value: value.update(schema=2))(record.read_bytes()))
    kept = record.read_bytes()
    for operation in (lambda: course.update(new), course.status, lambda: course.restore("any")):
        with pytest.raises(UnsupportedWorkspace, match="update sapwood"):
            operation()
    assert record.read_bytes() == kept


def test_no_workspace(tmp_path: Path, course: Workspace, old: Path) -> None:
    with pytest.raises(InvalidWorkspace, match="expected a workspace"):
        Workspace.open(tmp_path / "old")
    with pytest.raises(InvalidWorkspace, match="expected a workspace"):
        Workspace.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match="already"):
        Workspace.init(course.root, old)
    with pytest.raises(InputError, match="name of a template"):
        Workspace.open(course.root, "../course")


def test_two_templates_in_one_folder_are_told_apart(course: Workspace, tmp_path: Path) -> None:
    other = write_template(tmp_path / "novel", "3.0", {"tests/n.py": "n\n"}, name="novel")
    Workspace.init(course.root, other)
    with pytest.raises(InputError, match="course, novel"):
        Workspace.open(course.root)
    assert Workspace.open(course.root, "novel").record().template_version == "3.0"
    with pytest.raises(InputError, match="expected the template novel, found course"):
        Workspace.open(course.root, "novel").update(tmp_path / "old")


def test_a_downgrade_needs_a_flag(course: Workspace, old: Path, new: Path) -> None:
    course.update(new)
    before = user_files(course.root)
    with pytest.raises(InputError, match="allow the downgrade"):
        course.update(old)
    assert user_files(course.root) == before
    course.update(old, UpdateRequest(allow_downgrade=True))
    assert user_files(course.root)["tests/a.py"] == b"a\nfirst\n"


def test_a_release_candidate_comes_before_its_release(course: Workspace, tmp_path: Path) -> None:
    candidate = write_template(tmp_path / "rc", "1.0.0rc1", SECOND)
    with pytest.raises(InputError, match=r"found 1\.0\.0rc1"):
        course.plan_update(candidate)


def test_two_updates_at_once(course: Workspace, new: Path) -> None:
    program = (
        "import sys; from sapwood.workspace import Workspace\n"
        "try: Workspace.open(sys.argv[1]).update(sys.argv[2])\n"
        "except Exception as e: sys.exit(type(e).__name__)\n"
    )
    command = [sys.executable, "-c", program, str(course.root), str(new)]
    with exclusive(course.root / ".course/lock", Busy("held")):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.strip()) == (1, "WorkspaceBusy")
        with pytest.raises(WorkspaceBusy, match="another program"):
            course.update(new)
        assert course.status().record.template_version == "1.0.0"
    assert user_files(course.root)["tests/a.py"] == b"a\nfirst\n"
    racing = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    assert {one.wait() for one in racing} <= {0, 1}
    course.update(new)
    assert user_files(course.root)["tests/a.py"] == b"a\nsecond\n"
    assert len(course.backups()) == 1


def test_a_clock_that_runs_backwards(course: Workspace, new: Path, tmp_path: Path) -> None:
    early = Workspace.open(course.root, clock=Clock("2001-01-01T00:00:00Z"))
    early.update(new)
    record = course.record()
    assert record.last_updated == record.created
    # The same second again, to the name of the backup.
    third = write_template(tmp_path / "third", "1.2.0", FIRST)
    Workspace.open(course.root, clock=Clock("2001-01-01T00:00:00Z")).update(third)
    names = [one.name for one in course.backups()]
    assert names == ["update_20010101_000001", "update_20010101_000001_2"]
    assert own_files(course.root, f"backups/{names[0]}/files")["tests/a.py"] == b"a\nfirst\n"
    assert own_files(course.root, f"backups/{names[1]}/files")["tests/a.py"] == b"a\nsecond\n"


def test_a_workspace_that_was_moved(course: Workspace, new: Path, tmp_path: Path) -> None:
    moved = course.root.rename(tmp_path / "my course ü")
    outcome = Workspace.open(moved).update(new)
    assert [one.path for one in outcome.plan.updates] == ["tests/a.py", "tests/deep/b.py"]


def test_a_folder_in_it_that_was_renamed(course: Workspace, new: Path) -> None:
    """The folder is the user's, and what was in it counts as deleted."""
    write_files(course.root, {"modules/m.ipynb": "mine\n", "tests/a.py": "mine\n"})
    (course.root / "modules").rename(course.root / "my modules")
    (course.root / "tests").rename(course.root / "my tests")
    before = user_files(course.root)
    states = {one.path: one.state for one in course.status().files}
    assert states == dict.fromkeys(FIRST, State.DELETED)
    course.update(new)
    after = user_files(course.root)
    brought = {path: data for path, data in SECOND.items() if path.startswith("tests/")}
    assert after == {**before, **{path: str(data).encode() for path, data in brought.items()}}
    assert course.update(new).plan.updates == ()


def test_windows_line_ends_are_no_change_and_stay(course: Workspace, new: Path) -> None:
    write_files(course.root, {"tests/a.py": "a\r\nfirst\r\n"})
    assert {one.state for one in course.status().files} == {State.IDENTICAL}
    outcome = course.update(new)
    assert user_files(course.root)["tests/a.py"] == b"a\r\nsecond\r\n"
    saved = own_files(course.root, f"backups/{outcome.backup}/files")
    assert saved["tests/a.py"] == b"a\r\nfirst\r\n"
    assert course.update(new).plan.updates == ()


def test_a_notebook_that_was_only_run_is_not_modified(course: Workspace, new: Path) -> None:
    write_files(course.root, {"modules/m.ipynb": notebook("x = 1\n", "", outputs=True, kernel="k")})
    (change,) = [one for one in course.plan_update(new).changes if one.path.endswith("ipynb")]
    assert (change.state, change.action) == (State.OUTDATED, Action.HOLD)


def test_a_notebook_that_cannot_be_read_counts_as_modified(course: Workspace, new: Path) -> None:
    write_files(course.root, {"modules/m.ipynb": "{ half a notebook"})
    course.update(new)
    assert user_files(course.root)["modules/m.ipynb"] == b"{ half a notebook"
    states = {one.path: one.state for one in course.status().files}
    assert states["modules/m.ipynb"] is State.MODIFIED


LINKS = ["a link to a file", "a link to nowhere", "a folder", "a pipe", "a linked parent"]


@pytest.mark.parametrize("case", LINKS)
@pytest.mark.parametrize("replace", [False, True])
def test_what_is_in_the_way_is_left_alone(
    case: str, replace: bool, course: Workspace, new: Path, tmp_path: Path
) -> None:
    outside = write_files(tmp_path / "outside", {"b.py": "b\nfirst\n"})
    file = course.root / "tests/deep/b.py"
    file.unlink()
    if case == "a link to a file":
        file.symlink_to(outside / "b.py")
    elif case == "a link to nowhere":
        file.symlink_to("nowhere")
    elif case == "a folder":
        write_files(file, {"mine": "mine\n"})
    elif case == "a pipe":
        os.mkfifo(file)
    else:
        file.parent.rmdir()
        file.parent.symlink_to(outside)
    outcome = course.update(new, UpdateRequest(replace=replace))
    (blocked,) = outcome.plan.conflicts
    assert (blocked.path, blocked.state, blocked.action) == (
        "tests/deep/b.py",
        State.BLOCKED,
        Action.SKIP,
    )
    assert user_files(outside) == {"b.py": b"b\nfirst\n"}
    assert user_files(course.root)["tests/a.py"] == b"a\nsecond\n"
    assert course.record().files["tests/deep/b.py"].version == "1.0.0"
    reasons = {one.path: one.reason for one in course.status().files}
    assert reasons["tests/deep/b.py"] is not None


def test_the_own_folder_may_be_no_link(course: Workspace, new: Path, tmp_path: Path) -> None:
    own = course.root / ".course"
    own.rename(tmp_path / "elsewhere")
    own.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidWorkspace, match="expected a workspace"):
        Workspace.open(course.root)
    with pytest.raises(InvalidWorkspace):
        course.update(new)
    with pytest.raises(InvalidWorkspace, match="found a link"):
        Workspace.init(course.root, new)


def test_an_own_folder_that_leads_elsewhere_is_not_followed(
    course: Workspace, new: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (course.root / ".course/backups").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidWorkspace, match="found a link"):
        course.update(new)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert user_files(course.root)["tests/a.py"] == b"a\nfirst\n"


def test_a_file_that_is_saved_while_it_is_updated_is_kept(
    course: Workspace, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved after the plan was staged and before the file is replaced."""
    real = staging.Stage.finish

    def finish(stage: staging.Stage, *arguments: Any) -> str | None:
        write_files(course.root, {"tests/a.py": "saved just now\n"})
        return real(stage, *arguments)

    monkeypatch.setattr(staging.Stage, "finish", finish)
    outcome = course.update(new)
    assert outcome.missed == ("tests/a.py",)
    assert user_files(course.root)["tests/a.py"] == b"saved just now\n"
    assert own_files(course.root, "incoming/1.1.0") == {"tests/a.py": b"a\nsecond\n"}
    assert course.record().files["tests/a.py"].version == "1.0.0"
    monkeypatch.undo()
    (conflict,) = course.update(new).plan.conflicts
    assert conflict.state is State.CONFLICT


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_that_is_saved_after_the_plan_is_planned_anew(
    times: int, course: Workspace, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved before it is staged: once, or again and again."""
    real = staging.Stage.take
    saved: list[int] = []

    def take(stage: staging.Stage, path: str, *arguments: Any, **options: Any) -> staging.Taken:
        if len(saved) < times:
            saved.append(1)
            write_files(course.root, {path: f"saved {len(saved)}\n"})
        return real(stage, path, *arguments, **options)

    monkeypatch.setattr(staging.Stage, "take", take)
    if times == 1:
        outcome = course.update(new)
        assert set(outcome.incoming) == {"tests/a.py"}
        assert user_files(course.root)["tests/deep/b.py"] == b"b\nsecond\n"
    else:
        with pytest.raises(IoError, match="being written to"):
            course.update(new, UpdateRequest(replace=True))
        assert course.backups() == []
        assert not (course.root / ".course/staging").exists()
    assert user_files(course.root)["tests/a.py"].startswith(b"saved ")


def test_a_folder_that_may_not_be_written_to(
    course: Workspace, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found out before anything is changed. Root may write anywhere, so the answer is given."""
    closed = str(course.root / "tests/deep")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed)
    with pytest.raises(IoError, match="tests/deep: Permission denied; nothing was changed"):
        course.update(new)
    assert user_files(course.root)["tests/a.py"] == b"a\nfirst\n"
    assert course.backups() == []
    assert not (course.root / ".course/staging").exists()


def test_a_folder_on_another_file_system_is_left_alone(course: Workspace) -> None:
    """A staged file could not take its name there in one step."""
    disk = Disk(course.root)
    assert isinstance(disk.status("tests/a.py"), os.stat_result)
    disk = Disk(course.root)
    disk._device += 1
    assert disk.status("tests/a.py") == Blocked("something on another file system")


def test_what_others_put_into_the_own_folder_stays(course: Workspace, new: Path) -> None:
    litter: dict[str, str | bytes] = {".course/base/.DS_Store": "x", ".course/base/aa/note": "x"}
    write_files(course.root, litter)
    course.update(new)
    assert not (course.root / ".course/staging").exists()
    assert {".DS_Store", "aa/note"} < set(own_files(course.root, "base"))


JOURNALS: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:40],
    "a path that leads away": lambda data: data.replace(b"tests/a.py", b"../../a.py"),
    "a staged file that leads away": lambda data: data.replace(
        b'"staged": "1"', b'"staged": "../x"'
    ),
    "a folder that leads away": lambda data: data.replace(b'"folder": "', b'"folder": "../'),
}


@pytest.mark.parametrize("case", JOURNALS)
def test_a_damaged_journal_is_refused(
    case: str, course: Workspace, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("sapwood.workspace.change.applying.apply_step", stop)
    with pytest.raises(IoError, match="update again to finish it"):
        course.update(new)
    monkeypatch.undo()
    assert course.status().unfinished
    journal = course.root / ".course/journal.json"
    whole = journal.read_bytes()
    journal.write_bytes(JOURNALS[case](whole))
    with pytest.raises(InvalidWorkspace, match="move it away to give up"):
        course.update(new)
    assert user_files(course.root)["tests/a.py"] == b"a\nfirst\n"
    journal.write_bytes(whole)
    outcome = course.update(new)
    assert outcome.recovered
    assert user_files(course.root)["tests/a.py"] == b"a\nsecond\n"
    assert not course.status().unfinished


def test_restoring_puts_files_back_and_backs_up_what_it_replaces(
    course: Workspace, new: Path
) -> None:
    write_files(course.root, {"tests/a.py": "mine\n"})
    outcome = course.update(new, UpdateRequest(replace=True))
    assert outcome.backup is not None
    restored = course.restore(outcome.backup, ["tests/a.py"])
    assert restored.paths == ("tests/a.py",)
    assert user_files(course.root)["tests/a.py"] == b"mine\n"
    assert user_files(course.root)["tests/deep/b.py"] == b"b\nsecond\n"
    assert restored.backup is not None
    assert own_files(course.root, f"backups/{restored.backup}/files") == {
        "tests/a.py": b"a\nsecond\n"
    }
    again = course.restore(outcome.backup)
    assert (again.paths, again.unchanged) == (("tests/deep/b.py",), ("tests/a.py",))
    labels = [one.label for one in course.backups()]
    assert sorted(labels) == ["restore", "restore", "update"]


def test_restoring_what_cannot_be_restored(course: Workspace, new: Path) -> None:
    name = course.update(new).backup
    assert name is not None
    with pytest.raises(InputError, match="no such backup"):
        course.restore("../../old")
    with pytest.raises(InputError, match="not in the backup"):
        course.restore(name, ["tests/b.py"])
    (course.root / "tests/a.py").unlink()
    (course.root / "tests/a.py").symlink_to("nowhere")
    with pytest.raises(InvalidWorkspace, match="a link is in the way"):
        course.restore(name, ["tests/deep/b.py", "tests/a.py"])
    assert not (course.root / ".course/staging").exists()
    assert not list((course.root / ".course").glob("stamps.json.*"))
    (course.root / "tests/a.py").unlink()
    write_files(course.root / f".course/backups/{name}/files", {"tests/deep/b.py": "damaged\n"})
    before = user_files(course.root)
    with pytest.raises(InvalidWorkspace, match=r"damaged; nothing was restored"):
        course.restore(name)
    assert user_files(course.root) == before


def test_files_that_were_hashed_in_the_same_tick_are_hashed_again(course: Workspace) -> None:
    """A file system whose clock ticks once a second: same size, same times, other bytes."""
    file = course.root / "tests/a.py"
    tick = 10**9 * 1_700_000_000
    for content, expected in (("a\nfirst\n", State.IDENTICAL), ("a\nfIrst\n", State.MODIFIED)):
        with file.open("r+") as out:
            out.write(content)
        os.utime(file, ns=(tick, tick))
        states = {one.path: one.state for one in course.status().files}
        assert states["tests/a.py"] is expected


def test_hashes_that_were_kept_may_be_damaged_or_deleted(course: Workspace) -> None:
    stamps = course.root / ".course/stamps.json"
    expected = course.status().files
    for damage in ("", "[]", '{"as_of": 5, "files": {"tests/a.py": [1]}}', '{"as_of": "x"}', "["):
        stamps.write_text(damage)
        assert course.status().files == expected
    stamps.unlink(missing_ok=True)
    assert course.status().files == expected


@pytest.mark.parametrize("what", ["a pipe", "a file", "a link", "a folder"])
@pytest.mark.parametrize("name", ["stamps.json", "lock", "base", "incoming", "backups", "staging"])
def test_whatever_is_in_place_of_the_programs_own(
    name: str, what: str, course: Workspace, new: Path, tmp_path: Path
) -> None:
    """Nothing is waited for, followed or lost, and what is in the way is named."""
    write_files(course.root, {"tests/a.py": "mine\n"})
    expected = course.status().files
    elsewhere = write_files(tmp_path / "elsewhere", {"there": "there\n"})
    place = course.root / ".course" / name
    clear(place)
    if what == "a pipe":
        os.mkfifo(place)
    elif what == "a file":
        place.write_bytes(b"a file\n")
    elif what == "a link":
        place.symlink_to(elsewhere)
    else:
        place.mkdir()
    assert course.status().files == expected
    course.examine(new)
    before = user_files(course.root)
    refusal = refused_with(lambda: course.update(new))
    if refusal is not None:
        assert f".course/{name}: " in refusal
        assert user_files(course.root) == before
        clear(place)
        course.update(new)
    assert user_files(course.root)["tests/a.py"] == b"mine\n"
    assert user_files(course.root)["tests/deep/b.py"] == b"b\nsecond\n"
    assert user_files(elsewhere) == {"there": b"there\n"}


def clear(place: Path) -> None:
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
    else:
        shutil.rmtree(place)


def refused_with(operation: Callable[[], object]) -> str | None:
    """The message of the error in which an operation ends; None if in none."""
    try:
        operation()
    except (InvalidWorkspace, IoError) as e:
        return str(e)
    return None


def test_init_after_an_update_that_was_interrupted_is_no_downgrade(
    course: Workspace, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(applying, "apply_step", refused)
        with pytest.raises(IoError, match="half made"):
            course.update(new)
    with pytest.raises(InputError, match="already; update it"):
        Workspace.init(course.root, old)
    assert course.record().template_version == "1.1.0"  # what was begun is finished
    assert user_files(course.root)["tests/a.py"] == b"a\nsecond\n"


def refused(places: Places, folder: str, step: ChangeStep) -> bool:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_weights_that_are_a_notebook_are_backed_up_with_their_outputs(tmp_path: Path) -> None:
    """It counts as unchanged, but what it holds is nowhere else."""
    path = "weights/a.ipynb"
    for version, source in (("1.0.0", "x = 1\n"), ("1.1.0", "x = 2\n")):
        write_template(tmp_path / version, version, {path: notebook(source)})
    workspace, _ = Workspace.init(tmp_path / "w", tmp_path / "1.0.0")
    write_files(workspace.root, {path: notebook("x = 1\n", outputs=True)})
    backup = workspace.update(tmp_path / "1.1.0").backup
    assert own_files(workspace.root, f"backups/{backup}/files") == {
        path: notebook("x = 1\n", outputs=True)
    }
