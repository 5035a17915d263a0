"""Files as commands name them, `-` for stdin and stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from sapwood.cli.arguments import STDIO
from sapwood.errors import InputError
from sapwood.fetching import DEFAULT_FETCHING, shown
from sapwood.files import Output, Source, os_errors


def named_inputs(*names: str) -> list[Source]:
    """Inputs by their names, stdin as the stream that it is.

    Raises:
        InputError: stdin is named twice.
    """
    if names.count(STDIO) > 1:
        raise InputError("stdin can be one input only; name a file for the other")
    return [sys.stdin.buffer if name == STDIO else name for name in names]


def shown_name(name: str) -> str:
    """A file or URL as it may be printed."""
    return shown(name) if DEFAULT_FETCHING.is_url(name) else name


def output(name: str, *inputs: str) -> Output:
    """Where bytes go.

    Args:
        name: name of the output file, or `-` for stdout.
        inputs: names of files that the output must not replace.

    Raises:
        InputError: stdout is a terminal, or the output is one of the inputs.
    """
    if name == STDIO:
        if sys.stdout.isatty():
            raise InputError(
                "--out -: refused to write binary data to a terminal; "
                "redirect stdout or name a file"
            )
        return sys.stdout.buffer
    for other in inputs:
        if same_file(name, other):
            raise InputError(f"--out {name}: would replace {other}; name another file")
    return name


def same_file(name: str, other: str) -> bool:
    """Whether both names lead to one file that exists."""
    if other == STDIO or not Path(name).is_file() or not Path(other).is_file():
        return False
    with os_errors(name):
        return Path(name).samefile(other)
