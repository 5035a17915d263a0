"""What commands print: sizes for people, JSON for programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import IO, Any

from sapwood.cli.arguments import STDIO

UNITS = ("kB", "MB", "GB", "TB", "PB")


def tell(arguments: argparse.Namespace, facts: Mapping[str, Any], text: str) -> None:
    """Prints a result: the facts with --json, else the text, nothing with --quiet.

    Of a file of a batch they are kept for the report on all.
    """
    if keeps(arguments, facts):
        return
    if arguments.json:
        tell_json(arguments, facts)
    elif not arguments.quiet:
        print(text, file=_result_stream(arguments))


def keeps(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> bool:
    """Whether the command runs for one file of a batch, which takes its facts."""
    kept: dict[str, Any] | None = getattr(arguments, "kept", None)
    if kept is None:
        return False
    kept.update(facts)
    return True


def tell_json(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> None:
    """Prints one JSON object."""
    import json

    print(json.dumps(facts, indent=2), file=_result_stream(arguments))


def note(arguments: argparse.Namespace, text: str) -> None:
    """Says what the user may want to know, beside the result."""
    if not (arguments.json or arguments.quiet):
        print(note_line(arguments, text), file=sys.stderr)


def note_line(arguments: argparse.Namespace, text: str) -> str:
    """A note as it is printed."""
    return f"{program_of(arguments)}: note: {printable(text)}"


def program_of(arguments: argparse.Namespace) -> str:
    """The name of the program, as it is typed."""
    return str(getattr(arguments, "prog", "sapwood"))


def _result_stream(arguments: argparse.Namespace) -> IO[str]:
    """Where results go: not where the bytes go."""
    return sys.stderr if getattr(arguments, "out", None) == STDIO else sys.stdout


def human_size(size: int) -> str:
    """A number of bytes in decimal units, as '4.5 MB'."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in UNITS:
        value /= 1000
        # Rounded first: 999.96 kB is 1.0 MB.
        if round(value, 1) < 1000 or unit == UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


def percentage(part: int, whole: int) -> str:
    """A share, with three figures where it is small."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 10 else f"{share:.3g} %"


def count(number: int, thing: str) -> str:
    """As '1 tensor' and '2 tensors'."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def signed(counter: int | None, before: str = ", ") -> str:
    """Words for the counter of accepted signatures, `before` in front; none without a counter."""
    return "" if counter is None else f"{before}signed with counter {counter}"


def printable(text: str) -> str:
    """Text on one line, with what would steer a terminal made visible."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode()
        for one in text
    )


def tolerant_output() -> None:
    """Lets stdout and stderr escape what their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def discard_stdout() -> None:
    """After stdout failed: keeps Python from trying again, and complaining, when it exits."""
    handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, sys.stdout.fileno())
    os.close(handle)
