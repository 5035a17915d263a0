"""Keeps NumPy's linear algebra to the threads that call it.

The search runs on threads of ours. Each call of a BLAS that starts as many again makes
them wait for each other: on two cores a patch took sixteen times as long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A block in which BLAS starts no threads of its own, in the whole process.

    Of blocks that run at the same time in several threads, the first one's limit counts.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield
