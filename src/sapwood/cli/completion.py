"""`sapwood completion`: prints what makes a shell complete the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Prints a script that makes a shell complete commands, options, their values and file names. It
needs shtab: pip install 'sapwood[completion]'. The script itself needs nothing, and is to be made
anew after an update."""

EXAMPLES = (
    'eval "$(sapwood completion bash)"    # for this session',
    "sapwood completion bash > ~/.local/share/bash-completion/completions/sapwood",
    "sapwood completion zsh > ~/.zfunc/_sapwood    # with ~/.zfunc in fpath",
    "sapwood completion fish > ~/.config/fish/completions/sapwood.fish",
)
SHELLS = ("bash", "zsh", "fish")
FILES = frozenset({"FILE", "PATCH", "FOLDER", "TEMPLATE"})  # values that name files


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "completion", _run, "print a script of completions", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as e:
        raise InputError(
            "completion needs shtab, which is not installed; pip install 'sapwood[completion]'"
        ) from e
    program: argparse.ArgumentParser = arguments.parser
    for action in every_action(program):
        if action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(program, shell=arguments.shell)
    facts = {"command": "completion", "shell": arguments.shell, "script": script}
    tell(arguments, facts, script.rstrip("\n"))
    return 0


def every_action(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options and positionals of a parser and of its commands."""
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way to list them)
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from every_action(command)
