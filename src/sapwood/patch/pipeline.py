"""Runs pure functions over many items on threads, in order, with few in flight."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sapwood.errors import InputError

MOST_THREADS = 256

Item = TypeVar("Item")
Result = TypeVar("Result")


def check_range(value: object, least: int, most: int, what: str) -> None:
    """Refuses what a caller gave in place of a whole number between two others.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    if not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"expected {what} from {least} to {most}, found {value!r}")


def thread_count(threads: int | None) -> int:
    """The number of threads to use: as asked, or one for each processor we may run on.

    No more than `MOST_THREADS`, whatever was asked for: each takes memory for a chunk,
    and beyond the processors none of them helps.

    Raises:
        InputError: fewer than one asked for.
    """
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    check_range(threads, 1, sys.maxsize, "threads")
    return min(threads, MOST_THREADS)


def ordered(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """The results in the order of the items.

    At most `threads + 1` results wait to be taken, so memory is bounded by that
    many items. With one thread everything runs in the caller's.

    Args:
        function: of one item; what it raises is raised here, and what has not begun
            is then not begun.
        items: taken as they are needed.
        threads: that run `function` at once.
    """
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads, "sapwood") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
