"""An author's console program: `workspace_cli` gives it all commands, under its own name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sapwood.cli import workspace_cli
from sapwood.workspace import Workspace
from support.template_folders import user_files, write_files, write_template

Main = Callable[[Sequence[str] | None], int]
FILES = {"tests/a.py": "one\n", "modules/01_a/01_a.py": "one\n"}


@pytest.fixture
def tito(tmp_path: Path) -> Main:
    """The program of a template of which version 1.0.0 is the one at hand."""
    write_template(tmp_path / "template", "1.0.0", FILES)
    return workspace_cli("tito", tmp_path / "template")


def test_it_makes_and_updates_its_own_template(
    tmp_path: Path, tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.chdir(tmp_path):
        assert tito(["init", "mine"]) == 0
    assert user_files(tmp_path / "mine").keys() == FILES.keys()
    capsys.readouterr()
    write_template(tmp_path / "template", "1.1.0", {**FILES, "tests/a.py": "two\n"})
    with contextlib.chdir(tmp_path / "mine/modules/01_a"):
        assert tito(["update", "--check"]) == 20
        assert capsys.readouterr().out.splitlines() == [
            "Package version: 1.1.0 (you have 1.0.0)",
            "Available updates:",
            "   tests/a.py",
            "",
            "Run 'tito update' to apply, or 'tito update --dry-run' to preview.",
        ]
        assert tito(["update"]) == 0
        assert tito(["status"]) == 0
    assert (tmp_path / "mine/tests/a.py").read_text() == "two\n"


def test_its_errors_and_help_have_its_name(
    tmp_path: Path, tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.chdir(tmp_path):
        assert tito(["status"]) == 12
        assert capsys.readouterr().err.startswith("tito: error: ")
        assert tito(["nothing"]) == 2
        assert capsys.readouterr().err.endswith("see 'tito --help'\n")
    with pytest.raises(SystemExit):
        tito(["update", "--help"])
    printed = capsys.readouterr().out
    assert "  tito update --check\n" in printed
    assert "sapwood" not in printed
    with pytest.raises(SystemExit):
        tito(["--version"])
    assert capsys.readouterr().out.startswith("tito 1.0.0 (sapwood ")


def test_its_help_lists_the_exit_codes_that_it_has(
    tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        tito(["--help"])
    _, _, listed = capsys.readouterr().out.partition("exit codes:\n")
    codes = [int(line.split()[0]) for line in listed.partition("\n\n")[0].splitlines()]
    assert codes == [*range(8), 11, 12, 13, 14, 20, 21, 22, 130]


def test_what_is_left_over_is_refused_with_the_help_of_its_own_command(
    tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, command in (
        (["module", "export", "1", "--dry-run"], "tito module export"),
        (["status", "x"], "tito status"),
        (["--no", "status"], "tito"),
    ):
        assert tito(words) == 2
        found = capsys.readouterr().err
        assert f"unrecognized arguments: {words[0] if command == 'tito' else words[-1]}" in found
        assert found.endswith(f"see '{command} --help'\n")


def test_a_program_whose_distribution_is_not_installed_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert workspace_cli("tito", "dist:no-such-distribution")(["init", "x"]) == 2
    assert "pip install" in capsys.readouterr().err


def test_a_program_leaves_the_workspaces_of_others_alone(
    tmp_path: Path, tito: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    write_template(tmp_path / "other", "1.0.0", FILES, name="other")
    Workspace.init(tmp_path / "mine", tmp_path / "other")
    assert tito(["status", "--folder", str(tmp_path / "mine")]) == 12
    assert tito(["init", str(tmp_path / "mine")]) == 0
    capsys.readouterr()
    assert tito(["status", "--folder", str(tmp_path / "mine")]) == 0
    assert ": course 1.0.0, 2 files" in capsys.readouterr().out


def test_a_workspace_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    write_template(tmp_path / "template", "1.0.0", FILES)
    workspace, _ = Workspace.init(tmp_path / "mine", tmp_path / "template")
    write_files(tmp_path / "mine", {"modules/.config/version.json": "{}", "modules/x/y": ""})
    for folder in ("", "modules", "modules/01_a", "modules/x"):
        assert Workspace.find(tmp_path / "mine" / folder).root == workspace.root
