"""Shows differences: coloured on a terminal, through the user's pager if there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sapwood.cli.reports import printable, tell_json

if TYPE_CHECKING:
    import argparse

    from sapwood.workspace import Difference

STYLES = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def tell_differences(
    arguments: argparse.Namespace, command: str, found: Sequence[Difference], what: str
) -> None:
    """Prints the result of a command that compares.

    Args:
        arguments: options of the command.
        command: name of the command, for programs.
        found: the differences.
        what: name of what was compared, for people.
    """
    if arguments.json:
        listed = [one.to_json() for one in found]
        tell_json(arguments, {"command": command, "differences": listed})
    elif not arguments.quiet and found:
        show_differences(found)
    elif not arguments.quiet:
        print(f"{printable(what)}: no difference")


def show_differences(differences: Iterable[Difference]) -> None:
    """Prints differences."""
    lines = [line for one in differences for line in _difference_lines(one)]
    if not sys.stdout.isatty():
        print("\n".join(lines))
    elif not _paged("\n".join([*lines, ""]), os.environ.get("PAGER", "")):
        _show_coloured(lines)


def _difference_lines(difference: Difference) -> Iterator[str]:
    """A difference for people, with what would steer a terminal made visible."""
    if difference.lines is None:
        yield f"{printable(difference.path)}: no text, or too long to compare"
        return
    if not difference.lines:
        yield f"{printable(difference.path)}: nothing that can be read differs"
    for line in difference.lines:
        yield "\t".join(printable(part) for part in line.split("\t"))


def _paged(text: str, pager: str) -> bool:
    """Gives a text to a pager; False if there is none, or it cannot be run."""
    import shlex
    import subprocess

    try:
        words = shlex.split(pager)
        if not words:
            return False
        sys.stdout.flush()
        subprocess.run(words, input=text.encode(errors="backslashreplace"), check=False)
    except (OSError, ValueError):
        return False
    return True


def _show_coloured(lines: Iterable[str]) -> None:
    """Prints the lines of a diff in colours."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for line in lines:
        style = next((style for start, style in STYLES if line.startswith(start)), "")
        console.print(Text(line, style), soft_wrap=True)
