"""How a user's files differ from the template's can be seen before anything is decided."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from sapwood.errors import InputError
from sapwood.workspace import State, Workspace
from support.cli_session import Session
from support.template_folders import Clock, user_files, write_files, write_template

OLD: dict[str, str | bytes] = {
    "tests/a.py": "a, first\n",
    "milestones/b.py": "b, first\n",
    "milestones/same.py": "same\n",
    "milestones/gone.py": "gone\n",
    "modules/01_a/01_a.py": "module, first\n",
}
NEW: dict[str, str | bytes] = {
    "tests/a.py": "a, second\n",
    "milestones/b.py": "b, second\n",
    "milestones/same.py": "same\n",
    "milestones/new.py": "new\n",
    "modules/01_a/01_a.py": "module, first\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace of 1.0.0 in which the user has worked."""
    write_template(tmp_path / "old", "1.0.0", OLD)
    write_template(tmp_path / "new", "1.1.0", NEW)
    workspace, _ = Workspace.init(tmp_path / "mine", tmp_path / "old", clock=Clock())
    write_files(tmp_path / "mine", {"milestones/b.py": "b, mine\n"})
    write_files(tmp_path / "mine", {"modules/01_a/01_a.py": "module, mine\n"})
    return workspace


def test_all_files_that_both_have_are_compared(workspace: Workspace, tmp_path: Path) -> None:
    before = user_files(workspace.root)
    found = {one.path: one for one in workspace.differences(tmp_path / "new")}
    assert {path: one.state for path, one in found.items()} == {
        "tests/a.py": State.OUTDATED,
        "milestones/b.py": State.CONFLICT,
        "modules/01_a/01_a.py": State.MODIFIED,
    }
    assert list(found["milestones/b.py"].lines or ())[-2:] == ["-b, mine", "+b, second"]
    assert user_files(workspace.root) == before


def test_files_are_named_from_the_workspace_or_from_here(
    workspace: Workspace, tmp_path: Path
) -> None:
    with contextlib.chdir(workspace.root / "milestones"):
        for name in ("b.py", "milestones/b.py", "./b.py", "../milestones/b.py"):
            (found,) = workspace.differences(tmp_path / "new", paths=[name])
            assert found.path == "milestones/b.py", name
        assert workspace.differences(tmp_path / "new", paths=["same.py"]) == ()
    for name in ("gone.py", "mine.py", "../x", "milestones", "", "/etc/passwd"):
        with pytest.raises(InputError, match="expected a file of the template"):
            workspace.differences(tmp_path / "new", paths=[name])


def test_the_command(workspace: Workspace, tmp_path: Path) -> None:
    session = Session(tmp_path)
    done = session.run("workspace diff new milestones/b.py --folder mine")
    assert done.returncode == 20
    assert done.stdout.decode().splitlines() == [
        "--- milestones/b.py (yours)",
        "+++ milestones/b.py (1.1.0)",
        "@@ -1 +1 @@",
        "-b, mine",
        "+b, second",
    ]
    same = session.succeed("workspace diff new milestones/same.py --folder mine")
    assert same == b"milestones/same.py: no difference\n"
    facts = session.json("workspace diff new --folder mine", code=20)
    assert len(facts["differences"]) == 3
    refused = session.fail("workspace diff new x --folder mine", 2)
    assert "expected a file of the template" in refused
