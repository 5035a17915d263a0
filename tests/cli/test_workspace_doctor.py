"""`doctor` and `module export`: what is printed, and the exit codes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sapwood.cli import workspace_cli
from sapwood.workspace import Workspace
from support.cli_session import Session
from support.export_templates import AUTOGRAD, DONE, LOSSES, TEST, write_course
from support.template_folders import Clock, notebook, write_files

FIX = "exported code comes from version 1.0.0 of the module; 1.1.0 fixes it (bug fix)"
Main = Callable[[Sequence[str] | None], int]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """The folders 1.0.0 and 1.1.0, and a workspace of the first, named mine."""
    for version in ("1.0.0", "1.1.0"):
        write_course(tmp_path / version, version)
    Workspace.init(tmp_path / "mine", tmp_path / "1.0.0", clock=Clock())
    return Session(tmp_path)


@pytest.fixture
def tito(session: Session) -> Main:
    """The program of the course, of which 1.1.0 is installed."""
    return workspace_cli("tito", session / "1.1.0")


def test_a_session_of_exports(session: Session) -> None:
    export = "workspace module export 1.0.0"
    done = session.run(f"{export} --all --folder mine --check")
    assert (done.returncode, done.stdout.decode().splitlines()) == (
        20,
        ["leaf/losses.py: never exported", "leaf/autograd.py: never exported"],
    )
    assert session.succeed(f"{export} 05 --folder mine").decode().splitlines() == [
        f"Exported leaf/autograd.py from {AUTOGRAD}",
        "Exported leaf/__init__.py",
    ]
    assert session.succeed(f"{export} 5 losses --folder mine").decode().splitlines() == [
        f"Exported leaf/losses.py from {LOSSES}"
    ]
    assert session.succeed(f"{export} --all --folder mine") == (
        b"Nothing to export: 2 modules up to date\n"
    )
    write_files(session / "mine", {"leaf/losses.py": "mine\n"})
    done = session.run(f"{export} --all --folder mine --check")
    assert (done.returncode, done.stdout) == (
        21,
        b"leaf/losses.py: foreign\nleaf/autograd.py: fresh\n",
    )
    done = session.run(f"{export} --all --folder mine")
    assert (done.returncode, done.stdout) == (
        21,
        b"Skipped leaf/losses.py: it was not exported; --replace backs it up and replaces it\n",
    )
    facts = session.json(f"{export} 04 --folder mine --replace")
    assert (facts["written"], facts["kept"]) == (["leaf/losses.py"], [])
    assert facts["exports"] == [
        {"notebook": LOSSES, "to": "leaf/losses.py", "state": "foreign", "reason": None}
    ]
    backup = session / f"mine/.course/backups/{facts['backup']}/files/leaf/losses.py"
    assert backup.read_text() == "mine\n"


def test_exports_that_fail(session: Session) -> None:
    export = "workspace module export 1.0.0"
    assert "expected modules or --all" in session.fail(f"{export} --folder mine", 2)
    assert "expected modules or --all" in session.fail(f"{export} 05 --all --folder mine", 2)
    assert "04_losses, 05_autograd" in session.fail(f"{export} 06 --folder mine", 2)
    assert "expected a workspace" in session.fail(f"{export} 05", 12)
    write_files(session / "mine", {AUTOGRAD: notebook("1", "#| export\nx = = 1")})
    assert f"{AUTOGRAD}: cell 2, line 2: expected Python" in session.fail(
        f"{export} 05 --folder mine", 2
    )
    checked = session.json(f"{export} --all --check --folder mine", code=21)
    assert [one["state"] for one in checked["exports"]] == ["never exported", "broken"]
    assert "cell 2" in checked["exports"][1]["reason"]


def shortened(text: str) -> list[str]:
    """Lines without those that say how this machine is."""
    hidden = ("ok       Python", "ok       disk", "ok       numpy")
    return [" ".join(line.split()) for line in text.splitlines() if not line.startswith(hidden)]


def test_what_doctor_prints(
    session: Session, tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    root = session / "mine"
    write_files(root, {AUTOGRAD: notebook(*DONE)})
    with contextlib.chdir(root / "modules/05_autograd"):
        assert tito(["module", "export", "05", "--quiet"]) == 0
        write_files(root, {LOSSES: notebook("#| export\nx = 1"), "random.py": "", TEST: "mine\n"})
        assert tito(["doctor"]) == 22
    assert shortened(capsys.readouterr().out) == [
        "what found",
        "ok .course/version.json course 1.0.0, 3 files were installed",
        "ok course version 1.1.0 is installed",
        "note course update waits: 1.1.0 is installed, the workspace has 1.0.0",
        "-> tito update",
        "ok installed files 0 as installed, 3 modified, 0 missing, 0 blocked",
        "ok leaf leaf/__init__.py is imported where Python starts here",
        "problem random.py is imported as random, in place of Python's own",
        "-> rename it",
        f"note leaf/losses.py never exported from {LOSSES}",
        "-> tito module export 04",
        f"ok leaf/autograd.py exported from {AUTOGRAD} as it is",
        f"problem leaf/autograd.py {FIX}",
        "-> tito update --merge",
        "2 problems, 2 notes",
    ]


def test_doctor_for_programs(session: Session) -> None:
    done = session.json("workspace doctor --folder mine")
    assert (done["problems"], done["folder"]) == (0, str(session / "mine"))
    assert [one["kind"] for one in done["findings"]] == ["record", "space", "files"]
    write_files(session / "mine", {"random.py": ""})
    done = session.json("workspace doctor 1.1.0 --folder mine", code=22)
    assert [one for one in done["findings"] if one["severity"] != "ok"] == [
        {
            "kind": "update",
            "severity": "note",
            "subject": "course",
            "message": "update waits: 1.1.0 is installed, the workspace has 1.0.0",
            "remedy": "sapwood workspace update 1.1.0 --folder mine",
        },
        {
            "kind": "import",
            "severity": "note",
            "subject": "leaf",
            "message": "not in the workspace yet",
            "remedy": "sapwood workspace module export 1.1.0 --all --folder mine",
        },
        {
            "kind": "shadow",
            "severity": "problem",
            "subject": "random.py",
            "message": "is imported as random, in place of Python's own",
            "remedy": "rename it",
        },
    ]
    assert session.run("workspace doctor --folder mine --quiet").stdout == b""


def test_doctor_runs_without_record_and_template(
    session: Session, tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    root = session / "mine"
    (root / ".course/version.json").write_text("{")
    (session / "1.1.0").rename(session / "away")
    assert tito(["doctor", "--folder", str(root), "--json"]) == 22
    found = json.loads(capsys.readouterr().out)["findings"]
    problems = [one for one in found if one["severity"] == "problem"]
    assert [one["kind"] for one in problems] == ["record", "template"]
    assert problems[0]["remedy"] == f"move .course/version.json away, then tito init {root}"
    with contextlib.chdir(root):
        assert tito(["doctor", "--quiet"]) == 22
    done = session.json("workspace doctor --folder mine", code=22)
    remedy = f"move .course/version.json away, then sapwood workspace init TEMPLATE {root}"
    assert done["findings"][0]["remedy"] == remedy
    assert "expected a workspace" in session.fail("workspace doctor", 12)


@pytest.mark.parametrize("words", ["doctor", "module", "module export"])
def test_help_has_examples(words: str, tito: Main, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tito([*words.split(), "--help"])
    printed = capsys.readouterr().out
    assert "examples:\n  tito " in printed
    assert "sapwood" not in printed
