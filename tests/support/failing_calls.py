"""Ends or fails an operation at its k-th call of the operating system, for any k."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from sapwood.files import exchange

# What changes what others see of the disk: of `write` half is done before a kill. Whoever is
# killed before a sync leaves what they leave when they are killed before the call after it.
KILLING = ("open", "write", "replace", "rename", "mkdir", "rmdir", "unlink", "remove", "chmod")
CHANGING = (*KILLING, "fsync", "sync")
LOOKING = ("lstat", "stat", "scandir", "listdir", "read")
# What a full disk refuses: whatever takes room.
FILLING = ("open", "write", "mkdir", "fsync", "sync")


class Calls:
    """Counts calls, and does something at one of them, or from one of them on.

    Attributes:
        made: the calls so far, each with the lines of the program that it came from.
    """

    def __init__(
        self, at: int, strike: Callable[[str, tuple[Any, ...]], None], *, on: bool = False
    ) -> None:
        self.made: list[tuple[str, tuple[object, ...]]] = []
        self._at = at
        self._strike = strike
        self._on = on
        self._names: tuple[str, ...] = ()

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:

        def counted(*arguments: Any, **options: Any) -> Any:
            # To open a file for reading is to look.
            changing = name != "open" or arguments[1] & (os.O_CREAT | os.O_WRONLY)
            if changing or "read" in self._names:
                self.made.append((name, lines_above()))
                if len(self.made) == self._at or (self._on and len(self.made) > self._at):
                    self._strike(name, arguments)
            return real(*arguments, **options)

        return counted

    @contextlib.contextmanager
    def counting(self, names: tuple[str, ...]) -> Iterator[Calls]:
        """Inside, the calls of these names are counted."""
        self._names = names
        with pytest.MonkeyPatch.context() as patch:
            for name in names:
                patch.setattr(os, name, self.wrap(name, getattr(os, name)))
            if "replace" in names:  # the system's own renames are none of `os`
                real = exchange.rename_with
                patch.setattr(exchange, "rename_with", self.wrap("rename_with", real))
            yield self


def lines_above() -> tuple[object, ...]:
    """The lines of the program that lead to a call."""
    found: list[object] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if f"{os.sep}sapwood{os.sep}" in frame.f_code.co_filename:
            found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def calls_of(operation: Callable[[], object], names: tuple[str, ...]) -> int:
    """How many calls an operation makes when nothing goes wrong."""
    with Calls(0, lambda name, arguments: None).counting(names) as calls:
        operation()
    return len(calls.made)


def telling_calls(operation: Callable[[], object], names: tuple[str, ...]) -> list[int]:
    """Numbers of the calls of an operation, one of those that are alike for all.

    All that change the disk are told apart; of those that look, from the same lines of the
    program, the first and the last stand for all.
    """
    with Calls(0, lambda name, arguments: None).counting(names) as calls:
        operation()
    numbered = list(enumerate(calls.made, 1))
    changing = {at for at, (name, _) in numbered if name not in LOOKING}
    first = {made: at for at, made in reversed(numbered)}
    last = {made: at for at, made in numbered}
    return sorted(changing | set(first.values()) | set(last.values()))


def killed_at(operation: Callable[[], object], at: int) -> bool:
    """Runs an operation in a child that is killed at a call; whether it was killed."""
    real_write = os.write

    def kill(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write":  # half of it is there
            real_write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            with Calls(at, kill).counting(KILLING):
                operation()
            code = 0
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


@contextlib.contextmanager
def failing_at(at: int, error: int, names: tuple[str, ...], *, on: bool = False) -> Iterator[Calls]:
    """Inside, a call fails once, or that one and all that come after it."""

    def fail(name: str, arguments: tuple[Any, ...]) -> None:
        raise OSError(error, os.strerror(error))

    with Calls(at, fail, on=on).counting(names) as calls:
        yield calls
