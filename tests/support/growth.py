"""Counts what work takes, and tells how that grows with its input: no clock is looked at.

Lines of Python that are run and calls of what is built in are counted, and the most memory that
is taken at once. Loops inside of what is built in are not seen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeAlias

from sapwood.errors import SapwoodError

Call: TypeAlias = Callable[[], object]
"""Work on one input, which is made already."""

DOUBLING = 2.2  # how much more twice the input may take
SLACK = 64 << 10  # bytes of memory that do not count: tables grow by leaps


@dataclasses.dataclass(frozen=True)
class Family:
    """Inputs of any size that somebody may have made to keep a program busy.

    Attributes:
        subject: what is given them: a module of the package, or a function of one.
        of_size: gives the work on an input of a size.
        size: the smallest size that is tried; a limit may end what grows with the square below.
        memory: whether memory is looked at, too.
    """

    subject: str
    of_size: Callable[[int], Call]
    size: int = 50
    memory: bool = True


@dataclasses.dataclass
class Count:
    """Lines that were run, and calls of what is built in."""

    steps: int = 0

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Counts a line, or the beginning of a function; as of `sys.settrace`."""
        self.steps += 1
        return self.trace

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        """Counts a call of what is built in; as of `sys.setprofile`."""
        self.steps += event == "c_call"


@contextlib.contextmanager
def counted() -> Iterator[Count]:
    """Counts what is done in the block."""
    count = Count()
    before = sys.gettrace(), sys.getprofile()
    sys.settrace(count.trace)
    sys.setprofile(count.profile)
    try:
        yield count
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])


def finished(call: Call) -> None:
    """Does the work; an error of ours is an end like another."""
    with contextlib.suppress(SapwoodError, ValueError):
        call()


def steps_of(call: Call) -> int:
    """The steps that work takes."""
    with counted() as count:
        finished(call)
    return count.steps


def memory_of(call: Call) -> int:
    """The most memory that work takes at once, in bytes.

    Circles of objects count until the end: else it is chance how many of them there are when the
    collector of garbage happens to run.
    """
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        finished(call)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


def check_growth(family: Family) -> None:
    """Sees to it that twice the input takes about twice the work, and twice that again."""
    sizes = [family.size, 2 * family.size, 4 * family.size]
    finished(family.of_size(family.size))  # what is imported or kept once
    steps = [steps_of(family.of_size(size)) for size in sizes]
    assert steps[1] <= DOUBLING * steps[0], steps
    assert steps[2] <= DOUBLING * steps[1], steps
    if family.memory:
        memory = [memory_of(family.of_size(size)) for size in sizes]
        assert memory[1] <= DOUBLING * memory[0] + SLACK, memory
        assert memory[2] <= DOUBLING * memory[1] + SLACK, memory
