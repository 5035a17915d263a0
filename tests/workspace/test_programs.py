"""An author's console program: `workspace_cli` gives it all commands, under its own name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sapwood.cli import workspace_cli
from sapwood.errors import InputError, InvalidPackage
from sapwood.package.manifest.modules import find_module
from sapwood.workspace import Module, Workspace, parse_manifest, read_manifest
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
    with pytest.raises(InputError, match="expected"):
        find_module((), "05")


MODULES = """schema = 1
name = "course"
version = "1.0.0"
user = "student"
[[modules]]
name = "01_tensors"
title = "Tensors"
[[modules]]
name = "12_autograd"
needs = ["01_tensors"]
"""


def test_modules_are_found_by_number_and_name() -> None:
    manifest = parse_manifest(MODULES.encode())
    tensors, autograd = manifest.modules
    assert (manifest.user, autograd) == ("student", Module("12_autograd", "autograd", tensors_only))
    for word in ("1", "01", "tensors", "01_tensors"):
        assert find_module(manifest.modules, word) is tensors
    for word in ("2", "", "tensor", "12_", "x" * 10_000):
        with pytest.raises(InputError, match="01_tensors, 12_autograd"):
            find_module(manifest.modules, word)


tensors_only = ("01_tensors",)


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("modules/01_tensors/01_tensors.ipynb", True),
        ("tests/01_tensors/test_a.py", True),
        ("modules/01_tensors.ipynb", True),
        ("modules/01_tensors_more/a.py", False),
        ("modules/tensors.py", False),
        ("a/b01_tensors/c", False),
    ],
)
def test_the_files_of_a_module(path: str, held: bool) -> None:
    assert Module("01_tensors", "Tensors").holds(path) is held


@pytest.mark.parametrize(
    "modules",
    [
        'name = "tensors"',
        'name = "01_tensors"\nneeds = ["02_layers"]',
        'name = "01_tensors"\n[[modules]]\nname = "01_layers"',
        'name = "01_tensors"\n[[modules]]\nname = "02_Tensors"',
        'name = "01_../x"',
        'name = "01_a"\ntitle = "\\n"',
        'name = "01_a"\nextra = 1',
    ],
)
def test_modules_that_break_the_rules(modules: str) -> None:
    with pytest.raises(InvalidPackage, match=r"modules\["):
        parse_manifest(f'schema=1\nname="c"\nversion="1"\n[[modules]]\n{modules}\n'.encode())


def test_a_manifest_is_read_without_the_rest(tmp_path: Path) -> None:
    write_template(tmp_path / "template", "1.0.0", FILES)
    (tmp_path / "template/link").symlink_to("nowhere")  # which makes it no template
    assert read_manifest(tmp_path / "template").name == "course"
    (tmp_path / "template/sapwood-template.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(InvalidPackage, match="at most"):
        read_manifest(tmp_path / "template")
