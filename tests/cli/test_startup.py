"""Help is quick, complete, and generated from what it describes."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator

import pytest

import sapwood
from sapwood import errors
from sapwood.cli import main
from sapwood.cli.failures import code_owners
from sapwood.cli.program import parser

# `benchmarks/run.py` measures how long help takes; this is what would make it long.
HEAVY = {
    "dataclasses",
    "datetime",
    "difflib",
    "json",
    "numpy",
    "pathlib",
    "subprocess",
    "blake3",
    "httpx2",
    "rich",
    "sapwood.patch",
    "sapwood.codec",
    "sapwood.tensors",
    "torch",
}


def test_help_imports_nothing_that_is_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "sapwood", "--help"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & HEAVY


def test_the_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    _, _, listed = capsys.readouterr().out.partition("exit codes:\n")
    codes = [int(line.split()[0]) for line in listed.partition("\n\n")[0].splitlines()]
    owned = sorted(kind.exit_code for kind in code_owners(errors.SapwoodError))
    assert codes == [0, *owned, 20, 21, 22, 130]


def every_command(above: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands, and of the groups that they are in."""
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from every_command(command)


@pytest.mark.parametrize("command", list(every_command(parser())), ids=lambda command: command.prog)
def test_each_command_has_examples_and_json(command: argparse.ArgumentParser) -> None:
    _, _, examples = command.format_help().partition("\nexamples:\n")
    assert f"{command.prog} " in examples
    is_group = any(every_command(command))
    assert ("--json" in command._option_string_actions) is not is_group


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sapwood {sapwood.__version__}\n"


def test_the_package_exports_what_it_lists() -> None:
    assert set(vars(sapwood)["__all__"]) <= set(dir(sapwood))
    assert all(getattr(sapwood, name) is not None for name in vars(sapwood)["__all__"])
    with pytest.raises(AttributeError, match="no attribute 'create_patches'"):
        sapwood.create_patches  # type: ignore[attr-defined]  # noqa: B018
