"""What went wrong in the course whose design ours follows: each failure is a test here.

Its update replaced whole folders. A backup that left out what was deleted next; a folder of
data inside of one that was replaced; a backup that failed and an update that went on; a
release that could not be fetched and another that was installed without a word; versions
compared as text; a kill between the removal of a folder and the copy of the next.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sapwood.errors import InputError, InvalidPackage, IoError, SapwoodError
from sapwood.workspace import Outcome, UpdateRequest, Workspace
from support.template_folders import Clock, own_files, user_files, write_files, write_template

MODULES = '[[modules]]\nname = "05_autograd"\n'
PATHS = ("tests/05_autograd/test_a.py", "modules/05_autograd/05_autograd.py", "tests/gone.py")
MINE: dict[str, str | bytes] = {
    "modules/05_autograd/05_autograd.py": "an evening's work\n",
    "modules/05_autograd/notes.md": "notes\n",
    "milestones/datasets/cifar-10/batch_1": b"\x00" * 3073,
    "tests/mine/test_mine.py": "mine\n",
}

Operation = Callable[[Workspace, Path], Outcome]
OPERATIONS: dict[str, Operation] = {
    "update": lambda workspace, template: workspace.update(template),
    "update --replace": lambda workspace, template: workspace.update(
        template, UpdateRequest(replace=True)
    ),
    "update --module": lambda workspace, template: workspace.update(template, UpdateRequest("05")),
    "reset": lambda workspace, template: workspace.reset(template, "05"),
}


def files(number: int) -> dict[str, str | bytes]:
    return dict.fromkeys(PATHS[: 4 - number], f"{number}\n")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_template(tmp_path / "new", "0.1.13", files(2), more=MODULES)


@pytest.fixture
def course(tmp_path: Path) -> Workspace:
    old = write_template(tmp_path / "old", "0.1.12", files(1), more=MODULES)
    workspace, _ = Workspace.init(tmp_path / "course", old, clock=Clock())
    write_files(workspace.root, MINE)
    return workspace


def everything(root: Path) -> dict[str, bytes]:
    """All files, also of the workspace's own, but for the lock and hashes that were kept."""
    found = {one.relative_to(root).as_posix(): one for one in root.rglob("*") if one.is_file()}
    return {
        path: one.read_bytes()
        for path, one in found.items()
        if one.name not in {"lock", "stamps.json"}
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_backup_holds_all_that_is_replaced_or_deleted_next(
    name: str, course: Workspace, new: Path
) -> None:
    before = user_files(course.root)
    outcome = OPERATIONS[name](course, new)
    after = user_files(course.root)
    lost = {path: data for path, data in before.items() if after.get(path) != data}
    assert lost
    assert outcome.backup is not None
    assert own_files(course.root, f"backups/{outcome.backup}/files") == lost


@pytest.mark.parametrize("name", OPERATIONS)
def test_data_in_a_folder_of_the_templates_survives(
    name: str, course: Workspace, new: Path
) -> None:
    kept = {path: data for path, data in MINE.items() if "05_autograd.py" not in path}
    OPERATIONS[name](course, new)
    after = user_files(course.root)
    for path, data in kept.items():
        assert after[path] == (data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", ["mkdir", "open", "replace"])
def test_a_backup_that_fails_stops_the_update(
    call: str,
    error: int,
    name: str,
    course: Workspace,
    new: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether its folder, a copy in it, or its name is refused."""
    before, real, refused = everything(course.root), getattr(os, call), []

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if "/backup" in str(path):
            refused.append(path)
            raise OSError(error, os.strerror(error), str(path))
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(IoError):
            OPERATIONS[name](course, new)
    assert refused
    assert everything(course.root) == before
    assert OPERATIONS[name](course, new).backup is not None


def damaged(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 and no more")
    return path


def without_manifest(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tests/05_autograd/test_a.py", "2\n")
    return path


BROKEN: dict[str, tuple[Callable[[Path], str | Path], type[SapwoodError]]] = {
    "an archive that was not fetched": (lambda path: path, IoError),
    "an archive that was fetched in part": (damaged, InvalidPackage),
    "an archive without a template": (without_manifest, InvalidPackage),
    "a distribution that is not installed": (lambda path: "dist:no-such-course", InputError),
    "another template": (
        lambda path: write_template(path, "0.1.13", files(2), name="other"),
        InputError,
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("case", BROKEN)
def test_a_template_that_cannot_be_read_is_an_error_and_nothing_is_installed(
    case: str, name: str, course: Workspace, tmp_path: Path
) -> None:
    make, error = BROKEN[case]
    before = everything(course.root)
    with pytest.raises(error):
        OPERATIONS[name](course, make(tmp_path / "next.zip"))  # type: ignore[arg-type]
    assert everything(course.root) == before


def test_nothing_is_made_of_a_template_that_cannot_be_read(tmp_path: Path) -> None:
    for make, error in list(BROKEN.values())[:4]:
        with pytest.raises(error):
            Workspace.init(tmp_path / "course", make(tmp_path / "next.zip"))
    assert not (tmp_path / "course").exists()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("0.1.13rc1", "0.1.13"), ("0.1.13-rc1", "0.1.13"), ("0.1.9", "0.1.13"), ("0.1.13", "0.2")],
)
def test_versions_are_no_text(earlier: str, later: str, tmp_path: Path) -> None:
    first = write_template(tmp_path / "first", earlier, files(1), more=MODULES)
    second = write_template(tmp_path / "second", later, files(2), more=MODULES)
    workspace, _ = Workspace.init(tmp_path / "course", first)
    assert workspace.plan_update(second).updates
    workspace.update(second)
    for operation in OPERATIONS.values():
        with pytest.raises(InputError, match="allow the downgrade"):
            operation(workspace, first)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_among_the_files_is_repaired_by_the_next_command(
    name: str, course: Workspace, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between one file that has been replaced and the next that has not."""
    from sapwood.workspace.change import applying

    class Killed(BaseException):
        """What nothing catches."""

    real = applying.apply_step
    made: list[object] = []

    def apply(*arguments: Any) -> bool:
        if made:
            raise Killed
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(applying, "apply_step", apply)
    with pytest.raises(Killed):
        OPERATIONS[name](course, new)
    assert course.status().unfinished
    monkeypatch.undo()
    outcome = OPERATIONS[name](course, new)
    assert (outcome.recovered, outcome.plan.updates) == (True, ())
    assert not course.status().unfinished
    (backup,) = course.backups()
    after = user_files(course.root)
    assert all(after.get(path) != f"{1}\n".encode() for path in backup.files)
