"""Ends or fails an operation at its k-th call of the operating system, for any k."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sapwood.workspace.disk import swapping

# What changes the disk; and what is written to, of `write` half of it before a kill.
CHANGING = (
    "open", "write", "fsync", "sync", "replace", "rename", "mkdir", "rmdir", "unlink", "remove",
    "chmod",
)  # fmt: skip
LOOKING = ("lstat", "stat", "scandir", "listdir", "read")


# What a full disk refuses: whatever takes room.
FILLING = ("open", "write", "mkdir", "fsync", "sync")


class Calls:
    """Counts calls, and does something at one of them, or from one of them on.

    Attributes:
        count: of the calls so far.
    """

    def __init__(
        self, at: int, strike: Callable[[str, tuple[Any, ...]], None], *, on: bool = False
    ) -> None:
        self.count = 0
        self._at = at
        self._strike = strike
        self._on = on
        self._names: tuple[str, ...] = ()

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:

        def counted(*arguments: Any, **options: Any) -> Any:
            # To open a file for reading is to look.
            changing = name != "open" or arguments[1] & (os.O_CREAT | os.O_WRONLY)
            if changing or "read" in self._names:
                self.count += 1
                if self.count == self._at or (self._on and self.count > self._at):
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
                real = swapping.rename_with
                patch.setattr(swapping, "rename_with", self.wrap("rename_with", real))
            yield self


def calls_of(operation: Callable[[], object], names: tuple[str, ...]) -> int:
    """How many calls an operation makes when nothing goes wrong."""
    with Calls(0, lambda name, arguments: None).counting(names) as calls:
        operation()
    return calls.count


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
            with Calls(at, kill).counting(CHANGING):
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
