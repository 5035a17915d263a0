"""Ends processes in the middle of what they write, as a kill or a power cut would.

A child is forked, counts its calls of the operating system that change files, and ends itself by
SIGKILL at the one it is told. A write may be done by half before. In a power cut, some of what
was written since the last `fsync` of its file is lost as well, sector by sector.
"""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import traceback
from collections.abc import Callable
from typing import Any

SECTOR = 512  # bytes; 64 in power cuts here: the files are small
CHANGING = ("fchmod", "ftruncate", "mkdir", "posix_fallocate", "replace", "symlink", "unlink")


@dataclasses.dataclass
class Kill:
    """When a child ends.

    Attributes:
        at: the number of the call, from 1 on, that it does not come back from.
        torn: whether half of a write is done.
        power: the seed by which some of what was not synced is lost, or None.
    """

    at: int
    torn: bool = False
    power: int | None = None


def finishes(work: Callable[[], object], kill: Kill) -> bool:
    """Whether a child that does the work ends well; else it was killed.

    Raises:
        AssertionError: it ended otherwise.
    """
    child = os.fork()
    if child == 0:
        try:
            Dying(kill).install()
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (told, and the process ends)
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


class Dying:
    """Counts calls, and ends the process at one of them."""

    def __init__(self, kill: Kill) -> None:
        self.kill = kill
        self.calls = 0
        self.unsynced: list[tuple[int, int, bytes]] = []  # handle, offset, what was there
        self.real = {name: getattr(os, name) for name in (*CHANGING, "pwrite", "fsync")}

    def install(self) -> None:
        """Replaces the functions of `os` in this process."""
        os.pwrite = self.pwrite
        os.fsync = self.fsync  # type: ignore[assignment]
        for name in CHANGING:
            setattr(os, name, self.counted(name))

    def counted(self, name: str) -> Callable[..., Any]:
        real = self.real[name]

        def call(*arguments: Any, **options: Any) -> Any:
            self.count()
            return real(*arguments, **options)

        return call

    def pwrite(self, handle: int, data: Any, offset: int) -> int:
        if self.kill.power is not None:
            there = os.pread(handle, len(data), offset)
            self.unsynced.append((handle, offset, there.ljust(len(data), b"\0")))
        if self.kill.torn and self.calls + 1 == self.kill.at:
            self.real["pwrite"](handle, bytes(data)[: len(data) // 2], offset)
        self.count()
        written: int = self.real["pwrite"](handle, data, offset)
        return written

    def fsync(self, handle: int) -> None:
        """Nothing reaches a disk here: only processes die."""
        self.count()
        self.unsynced = [one for one in self.unsynced if one[0] != handle]

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.kill.at:
            self.lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def lose(self) -> None:
        """Takes some of what was not synced back, the last first."""
        chance = random.Random(self.kill.power)
        for handle, offset, there in reversed(self.unsynced):
            for at in range(0, len(there), SECTOR // 8):
                if chance.random() < 0.5:
                    self.real["pwrite"](handle, there[at : at + SECTOR // 8], offset + at)
