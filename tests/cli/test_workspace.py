"""Whole sessions of `sapwood workspace`: what is printed, what is left, the exit codes."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sapwood.cli.program import parser
from support.cli_session import Session
from support.template_folders import own_files, user_files, write_files, write_template

NOTES = """
[[notes]]
path = "tests/05_autograd/test_progressive_integration.py"
text = "bug fix"
version = "1.1.0"

[[notes]]
path = "milestones/04_1998_cnn/02_lecun_cifar10.py"
text = "new feature"
version = "1.1.0"
"""
TEST, MILESTONE, MODULE = (
    "tests/05_autograd/test_progressive_integration.py",
    "milestones/04_1998_cnn/02_lecun_cifar10.py",
    "modules/05_autograd/05_autograd.py",
)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """The versions 1.0.0 and 1.1.0 of a course, as folders and as archives."""
    for version, word in (("1.0.0", "first"), ("1.1.0", "second")):
        files: dict[str, str | bytes] = {
            path: f"{path}, {word}\n" for path in (TEST, MILESTONE, MODULE)
        }
        write_template(tmp_path / version, version, files, more=NOTES)
        shutil.make_archive(str(tmp_path / f"course-{version}"), "zip", tmp_path / version)
    return Session(tmp_path)


CHECK = f"""\
Package version: 1.1.0 (you have 1.0.0)
Available updates:
   {TEST} (bug fix)
   {MILESTONE} (new feature)

Run 'sapwood workspace update course-1.1.0.zip --folder course' to apply, or \
'sapwood workspace update course-1.1.0.zip --folder course --dry-run' to preview.
"""
DRY_RUN = f"""\
Package version: 1.1.0 (you have 1.0.0)
would replace {TEST} (bug fix)
would replace {MILESTONE} (new feature)
would leave {MODULE}: you modified it, and the template changed it too
2 updates, 0 conflicts; nothing was changed
"""


def test_the_session_of_the_design(session: Session) -> None:
    made = session.succeed("workspace init course-1.0.0.zip course").decode()
    assert made == f"Made {session / 'course'} from course 1.0.0: 3 files\n"
    root = session / "course"
    write_files(root, {MODULE: "mine\n"})
    before = user_files(root)
    done = session.run("workspace update course-1.1.0.zip --folder course --check")
    assert (done.returncode, done.stdout.decode()) == (20, CHECK)
    done = session.run("workspace update course-1.1.0.zip --folder course --dry-run")
    assert (done.returncode, done.stdout.decode()) == (20, DRY_RUN)
    assert user_files(root) == before
    updated = session.succeed("workspace update course-1.1.0.zip --folder course").decode()
    assert updated.splitlines() == [
        f"Updated {TEST}",
        f"Updated {MILESTONE}",
        f"Skipped {MODULE} (user modified)",
    ]
    assert user_files(root)[MODULE] == b"mine\n"
    check = "workspace update course-1.1.0.zip --folder course --check"
    assert b"Nothing to update\n" in session.succeed(check)


def test_conflicts_have_an_exit_code_of_their_own(session: Session) -> None:
    session.succeed("workspace init course-1.0.0.zip course")
    root = session / "course"
    write_files(root, {TEST: "mine\n"})
    checked = session.json("workspace update course-1.1.0.zip --folder course --check", code=21)
    assert (checked["updates"], checked["conflicts"], checked["applied"]) == (1, 1, False)
    done = session.json("workspace update course-1.1.0.zip --folder course", code=21)
    assert done["incoming"] == {TEST: f".course/incoming/1.1.0/{TEST}"}
    assert (root / done["incoming"][TEST]).read_text() == f"{TEST}, second\n"
    told = session.run("workspace update course-1.1.0.zip --folder course --check")
    assert told.returncode == 21
    replace = "sapwood workspace update course-1.1.0.zip --folder course --replace"
    assert told.stdout.decode().splitlines()[1:] == [
        "Conflicts:",
        f"   {TEST} (bug fix)",
        "Protected, not modified, safe to update on request:",
        f"   {MODULE}",
        "",
        "Nothing else to update: your files stay.",
        f"'{replace}' backs up files in conflict, and takes the template's.",
    ]
    replaced = session.json("workspace update course-1.1.0.zip --folder course --replace")
    assert own_files(root, f"backups/{replaced['backup']}/files") == {TEST: b"mine\n"}
    assert replaced["conflicts"] == 0


def test_a_look_ahead_tells_what_leaves_and_what_moves(session: Session) -> None:
    session.succeed("workspace init 1.0.0 course")
    moves = f"""
[[migrations]]
version = "1.2.0"
renames = [{{ from = "{MILESTONE}", to = "milestones/cnn.py" }}]
retired = ["{TEST}"]

[[notes]]
path = "{MODULE}"
text = "typo"
version = "1.2.0"
"""
    files: dict[str, str | bytes] = {"milestones/cnn.py": f"{MILESTONE}, first\n", MODULE: "new\n"}
    write_template(session / "1.2.0", "1.2.0", files, more=moves)
    check = session.run("workspace update 1.2.0 --folder course --check").stdout.decode()
    assert f"   {TEST}: no longer in the template\n" in check
    plan = session.run("workspace update 1.2.0 --folder course --dry-run").stdout.decode()
    assert plan.splitlines()[1:] == [
        f"would remove {TEST}",
        f"would move milestones/cnn.py, from {MILESTONE}",
        f"would leave {MODULE} (typo): not modified: safe to update",
        "2 updates, 0 conflicts; nothing was changed",
    ]


def test_status_and_backups(session: Session) -> None:
    session.succeed("workspace init 1.0.0 course")
    root = session / "course"
    write_files(root, {TEST: f"{TEST}, first\nmine\n"})
    (root / MILESTONE).unlink()
    status = session.succeed("workspace status --folder course").decode().splitlines()
    assert status[0] == f"{root}: course 1.0.0, 3 files, 2 changed by you"
    assert [line.split()[1:] for line in status[2:]] == [
        ["deleted", "1.0.0", "+0", "-1"],
        ["modified", "1.0.0", "+1", "-0"],
    ]
    facts = session.json("workspace status --folder course")
    assert [(one["path"], one["lines_added"]) for one in facts["files"]] == [
        (MILESTONE, 0),
        (TEST, 1),
    ]
    assert session.succeed("workspace backups list --folder course") == b"no backups\n"
    done = session.json("workspace update 1.1.0 --folder course --replace")
    listed = session.json("workspace backups list --folder course")
    assert [one["files"] for one in listed["backups"]] == [[TEST]]
    shown = session.succeed("workspace backups list --folder course").decode().splitlines()
    assert [line.split() for line in shown[1:]] == [[done["backup"], "1.0.0", "1"]]
    restore = f"workspace backups restore {done['backup']} --folder course"
    assert session.succeed(restore).decode().splitlines()[0] == f"Restored {TEST}"
    assert user_files(root)[TEST] == f"{TEST}, first\nmine\n".encode()
    assert session.succeed(f"{restore} --file {TEST}") == (
        b"Nothing to restore: all is as in the backup\n"
    )


def test_what_is_wrong_is_said_on_one_line(session: Session) -> None:
    session.succeed("workspace init 1.1.0 course")
    assert "--allow-downgrade" in session.fail("workspace update 1.0.0 --folder course", 2)
    assert "already" in session.fail("workspace init 1.0.0 course", 2)
    assert "expected a workspace" in session.fail("workspace status --folder 1.0.0", 12)
    assert "no such backup" in session.fail("workspace backups restore x --folder course", 2)
    write_files(session.folder, {"evil/sapwood-template.toml": "schema = 9"})
    assert "update sapwood" in session.fail("workspace init evil other", 11)
    session.succeed("workspace update 1.0.0 --folder course --allow-downgrade --quiet")
    (session / "course/.course/version.json").write_text("{")
    assert "no usable JSON" in session.fail("workspace update 1.1.0 --folder course", 12)
    failed = session.run("workspace status --folder course --json")
    assert (failed.returncode, b'"InvalidWorkspace"' in failed.stdout) == (12, True)


def words_below(above: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands below one, with their parsers."""
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name, below
                yield from ((f"{name} {words}", one) for words, one in words_below(below))


COMMANDS = dict(words_below(parser()))
WORKSPACE = sorted(words for words in COMMANDS if words.startswith("workspace "))


def test_the_commands_are_those_of_the_design() -> None:
    assert {words.removeprefix("workspace ") for words in WORKSPACE} >= {
        *("init", "update", "module reset", "status", "doctor"),
        *("data download", "backups list", "backups restore"),
    }


def test_the_exit_codes_are_in_the_help() -> None:
    printed = COMMANDS["workspace update"].format_help()
    assert all(f"\n  {code} " in printed for code in (0, 20, 21))
