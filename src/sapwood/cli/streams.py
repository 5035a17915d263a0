"""Files as commands name them, `-` for stdin and stdout."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO
from sapwood.cli.progress import progress_bar
from sapwood.errors import InputError
from sapwood.fetching.openers import DEFAULT_FETCHING
from sapwood.fetching.urls import shown
from sapwood.files.outputs import Output
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, read_source
from sapwood.models.receiving.received import received

if TYPE_CHECKING:
    from sapwood.content.content import Bytes


def read_inputs(*names: str) -> list[Bytes]:
    """The contents of files: memory-mapped, or spooled to a temporary file.

    Raises:
        InputError: stdin is named twice.
        IoError: one cannot be read.
    """
    check_stdin(*names)
    return [read_source(stdin_or(name)) for name in names]


def check_stdin(*names: str) -> None:
    """Sees to it that stdin is one input at most.

    Raises:
        InputError: it is named twice.
    """
    if names.count(STDIO) > 1:
        raise InputError("stdin can be one input only; name a file for the other")


def read_patch_and_bases(patch: str | Bytes, bases: Sequence[str]) -> tuple[Bytes, list[Source]]:
    """The content of a patch, and bases to be read: names as they are, stdin as its content.

    Args:
        patch: its name, or its content as `downloaded` gives it.
        bases: names.

    Raises:
        InputError: stdin is named twice.
        IoError: patch or stdin cannot be read.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: a URL leads to no patch.
    """
    if not isinstance(patch, str):
        return patch, named_inputs(*bases)
    check_stdin(patch, *bases)
    with received(stdin_or(patch)) as data:
        return data, named_inputs(*bases)


@contextlib.contextmanager
def downloaded(arguments: argparse.Namespace, resumed: str | None = None) -> Iterator[str | Bytes]:
    """What `--patch` names if that is no URL; else its content, with a bar while it comes.

    Args:
        arguments: of the command.
        resumed: the output beside which a download that is cut short is kept.

    Raises:
        InputError: httpx2 is not installed.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the URL leads to no patch.
        IoError: it cannot be had.
    """
    if not DEFAULT_FETCHING.is_url(arguments.patch):
        yield arguments.patch
        return
    with contextlib.ExitStack() as stack:
        with progress_bar(arguments, "downloading") as progress:
            data = stack.enter_context(
                received(arguments.patch, resumed=resumed, progress=progress)
            )
        yield data


def stdin_or(name: str) -> Source:
    """A file by its name, or stdin."""
    return sys.stdin.buffer if name == STDIO else name


def shown_name(name: str) -> str:
    """A file or URL as it may be printed."""
    return shown(name) if DEFAULT_FETCHING.is_url(name) else name


def has_folder(*names: str) -> bool:
    """Whether one of the inputs is a folder."""
    return any(name != STDIO and Path(name).is_dir() for name in names)


def named_inputs(*names: str) -> list[Source]:
    """Inputs by their names, and stdin as its content.

    Raises:
        InputError: stdin is named twice.
        IoError: stdin cannot be read.
    """
    check_stdin(*names)
    return [read_inputs(name)[0].data if name == STDIO else name for name in names]


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
    if other == STDIO or not Path(name).is_file() or not Path(other).is_file():
        return False
    with os_errors(name):
        return Path(name).samefile(other)
