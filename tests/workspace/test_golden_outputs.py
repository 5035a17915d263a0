"""What the design of a course shows its students, byte for byte, on a terminal and in a pipe.

`golden/workspace_{check,update,reset}.txt` are the design's own texts. The one thing in them
that a program in a process of its own cannot show is the time of the backup: it is replaced.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sapwood.workspace import Workspace
from support.places import GOLDEN
from support.template_folders import write_files
from support.typed_terminal import COLOUR, END, INTERRUPT, typed

MANIFEST = """schema = 1
name = "tinytorch"
version = "{version}"
user = "student"

[[policies]]
pattern = "tests/**"
policy = "update"

[[policies]]
pattern = "milestones/**"
policy = "update"

[[policies]]
pattern = "modules/**"
policy = "protect"

[[modules]]
name = "05_autograd"
title = "Autograd"

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
START = "".join(f"# exercise {number:03}\n" for number in range(20))
MINE = START + "".join(f"x{number:03} = 'what the student wrote'\n" for number in range(341))
MINE += "#" * (12_400 - len(MINE))  # the last of 342 lines, for a size of 12.4 KB
WRITTEN = datetime(2025, 1, 14, 14, 30, 22, tzinfo=UTC)
STAMP = re.compile(r"05_autograd_\d{8}_\d{6}")

ALONE = "tito update --module 05"

Program = Sequence[str]


def write_version(folder: Path, version: str, files: dict[str, str | bytes]) -> None:
    write_files(folder, {**files, "sapwood-template.toml": MANIFEST.format(version=version)})


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A student's folder of 1.0.0 in the middle of module 05, of which 1.1.0 is at hand."""
    files: dict[str, str | bytes] = {path: f"{path}, 1.0.0\n" for path in (TEST, MILESTONE)}
    write_version(tmp_path / "template", "1.0.0", {**files, MODULE: START})
    workspace, _ = Workspace.init(tmp_path / "course", tmp_path / "template")
    files = {path: f"{path}, 1.1.0\n" for path in (TEST, MILESTONE)}
    write_version(tmp_path / "template", "1.1.0", {**files, MODULE: f"{START}# fixed\n"})
    write_files(workspace.root, {MODULE: MINE})
    os.utime(workspace.root / MODULE, (WRITTEN.timestamp(),) * 2)
    return workspace.root


@pytest.fixture
def tito(tmp_path: Path) -> Program:
    """The course's program."""
    script = (
        "import sys\n"
        "from sapwood.cli import workspace_cli\n"
        f"sys.exit(workspace_cli('tito', {str(tmp_path / 'template')!r})())\n"
    )
    write_files(tmp_path, {"tito.py": script})
    return (sys.executable, str(tmp_path / "tito.py"))


def golden(name: str) -> str:
    return (GOLDEN / f"workspace_{name}.txt").read_text("utf-8")


def dated(shown: str) -> str:
    """What was shown, with the backup made when the design says."""
    return STAMP.sub("05_autograd_20250115_103000", shown)


def everything(root: Path) -> dict[Path, bytes]:
    """All files but the hashes that any look may keep."""
    files = (one for one in root.rglob("*") if one.is_file() and one.name != "stamps.json")
    return {one: one.read_bytes() for one in files}


def piped(tito: Program, words: str, folder: Path, stdin: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        [*tito, *words.split()],
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_first_check_an_update_and_a_reset_on_a_terminal(course: Path, tito: Program) -> None:
    assert typed([*tito, "update", "--check"], course) == (20, golden("check"))
    assert typed([*tito, "update"], course) == (0, golden("update"))
    code, shown = typed([*tito, "module", "reset", "05"], course, ["1\n"])
    assert (code, dated(shown)) == (0, golden("reset"))
    (backup,) = course.glob(".tinytorch/backups/05_autograd_*")
    assert (backup / "files" / MODULE).read_text().startswith(MINE)
    assert (course / MODULE).read_text() == f"{START}# fixed\n"


def test_a_first_check_an_update_and_a_reset_in_a_pipe(course: Path, tito: Program) -> None:
    assert piped(tito, "update --check", course) == (20, golden("check_piped"), "")
    assert piped(tito, "update", course) == (0, golden("update_piped"), "")
    code, shown, errors = piped(tito, "module reset 05 --yes", course)
    assert (code, dated(shown), errors) == (0, golden("reset_piped"), "")
    again = piped(tito, "module reset autograd --yes", course)
    assert again == (0, "modules/05_autograd is as in version 1.1.0: nothing to reset\n", "")


def test_the_difference_is_seen_first_and_the_reset_is_cancelled(
    course: Path, tito: Program
) -> None:
    typed([*tito, "update"], course)
    before = everything(course)
    code, shown = typed([*tito, "module", "reset", "05"], course, ["4\n", "2\n", "3\n"])
    question, _ = golden("reset").split("Choice [1]: 1\n")
    assert shown.startswith(f"{question}Choice [1]: 4\nExpected a number from 1 to 3\n")
    assert COLOUR.search(shown)
    difference = COLOUR.sub("", shown).split("Choice [1]: 2\n\n")[1]
    assert difference.startswith(f"--- {MODULE} (yours)\n+++ {MODULE} (1.1.0)\n@@ -18,345 +18,4 @@")
    assert "\n-x000 = 'what the student wrote'\n" in difference
    assert "\n+# fixed\n" in difference
    options = question[question.index("Options:") :]
    assert difference.endswith(f"\n\n{options}Choice [1]: 3\nCancelled: nothing was changed\n")
    assert code == 1
    assert everything(course) == before


@pytest.mark.parametrize("key", [END, INTERRUPT], ids=["^D", "^C"])
def test_whoever_leaves_the_question_has_cancelled(key: str, course: Path, tito: Program) -> None:
    code, shown = typed([*tito, "module", "reset", "05"], course, [key])
    assert (code, shown.splitlines()[-1]) == (1, "Cancelled: nothing was changed")
    assert (course / MODULE).read_text().startswith(MINE)
    assert not (course / ".tinytorch/backups").exists()


def test_the_difference_goes_through_the_pager_that_the_user_has(
    course: Path, tito: Program
) -> None:
    pager = f"{sys.executable} -c \"import sys; print(len(sys.stdin.read()) > 9000, 'paged')\""
    command = [*tito, "module", "reset", "05"]
    code, shown = typed(command, course, ["2\n", "3\n"], {"PAGER": pager})
    assert (code, "\nTrue paged\n" in shown, "what the student wrote" in shown) == (1, True, False)
    for broken in ("no-such-program", "'"):
        _, shown = typed(command, course, ["2\n", "3\n"], {"PAGER": broken})
        assert "what the student wrote" in shown


@pytest.mark.parametrize("words", ["status", "backups list", "doctor"])
def test_tables_have_a_head_on_a_terminal_and_are_plain_in_a_pipe(
    words: str, course: Path, tito: Program
) -> None:
    typed([*tito, "update"], course)
    code, shown = typed([*tito, *words.split()], course)
    assert COLOUR.search(shown)
    plain = piped(tito, words, course)
    assert (plain[0], plain[2]) == (code, "")
    assert plain[1].isascii()
    assert "\x1b" not in plain[1]
    heads = {"status": "lines", "backups list": "of version", "doctor": "found"}
    assert all(heads[words] in COLOUR.sub("", one) for one in (shown, plain[1]))


def test_nobody_is_asked_without_a_terminal(course: Path, tito: Program) -> None:
    code, shown, error = piped(tito, "module reset 05", course, stdin="1\n")
    assert (code, shown) == (2, "")
    assert error == (
        "tito: error: expected a terminal to ask on; add --yes to back up and reset, or --dry-run\n"
    )
    code, shown, error = piped(tito, "module reset 05 --json", course)
    assert (code, "InputError" in shown, "add --yes, or --dry-run" in shown) == (2, True, True)
    assert (course / MODULE).read_text().startswith(MINE)


def test_a_module_that_was_not_modified_is_told_of(course: Path, tito: Program) -> None:
    write_files(course, {MODULE: START})
    code, shown, _ = piped(tito, "update --check", course)
    assert (code, "safe to update on request:\n   " + MODULE in shown) == (20, True)
    code, shown, _ = piped(tito, "update", course)
    assert shown.splitlines()[2:] == [
        "Skipped modules/05_autograd (not modified: 'tito update --module 05' updates it)"
    ]
    code, shown, _ = piped(tito, "update --module 05 --check", course)
    assert (code, shown.splitlines()[1:]) == (
        20,
        [
            "Available updates:",
            f"   {MODULE}",
            "",
            f"Run '{ALONE}' to apply, or '{ALONE} --dry-run' to preview.",
        ],
    )
    assert piped(tito, "update --module 5", course) == (0, f"Updated {MODULE}\n", "")
    assert piped(tito, "update --module 5", course) == (
        0,
        "Nothing to update: 05_autograd is 1.1.0\n",
        "",
    )
