"""Runs pure functions over many items on threads, in order, with few in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """The results in the order of the items.

    At most `threads + 1` results wait to be taken, so memory is bounded by that
    many items. With one thread everything runs in the caller's.

    Args:
        function: what is done with one item; what it raises is raised here, and what has not
            begun is then not begun.
        items: the items, each taken when it is needed.
        threads: how many threads run `function` at once.
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
