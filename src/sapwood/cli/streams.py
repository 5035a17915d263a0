"""Files as commands name them, `-` for stdin and stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO
from sapwood.errors import InputError
from sapwood.models.files import Output, os_errors, read_source

if TYPE_CHECKING:
    from sapwood.codec.chunk import Bytes


def read_inputs(*names: str) -> list[Bytes]:
    """The contents of files: memory-mapped, or spooled to a temporary file.

    Raises:
        InputError: stdin is named twice.
        IoError: one cannot be read.
    """
    if names.count(STDIO) > 1:
        raise InputError("stdin can be one input only; name a file for the other")
    return [read_source(sys.stdin.buffer if name == STDIO else name) for name in names]


def output(name: str, *inputs: str) -> Output:
    """Where bytes go.

    Args:
        name: of the output.
        inputs: files that it must not replace.

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
    from pathlib import Path

    if other == STDIO or not Path(name).is_file() or not Path(other).is_file():
        return False
    with os_errors(name):
        return Path(name).samefile(other)
