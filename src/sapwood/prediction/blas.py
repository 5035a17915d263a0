"""Keeps NumPy's linear algebra to the threads that call it.

The search runs on threads of ours. Each call of a BLAS that starts as many again makes
them wait for each other: on two cores a patch took sixteen times as long.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_limits: list[threadpool_limits] = []  # of the first user, as long as there are any
_users = 0


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A block in which BLAS starts no threads of its own, in the whole process.

    Blocks may run at the same time in several threads: the last to end restores what was.
    """
    global _users  # noqa: PLW0603 (the limit is the process's, too)
    with _lock:
        if _users == 0:
            _limits.append(threadpool_limits(1, "blas"))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limits.pop().restore_original_limits()
