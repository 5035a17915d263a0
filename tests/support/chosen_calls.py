"""Which calls of the operating system a test kills or refuses: each seventh, or all of them.

All take minutes; `SAPWOOD_KILLS=all` asks for them, as CI does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

STEP = 1 if os.environ.get("SAPWOOD_KILLS") == "all" else 7


def chosen(calls: Sequence[int]) -> Iterator[int]:
    """Those of the calls at which to strike; the first and the last are among them."""
    yield from (at for i, at in enumerate(calls) if i % STEP == 0 or i == len(calls) - 1)


def numbers(count: int) -> Iterator[int]:
    """Numbers of the calls at which to strike, of so many, counted from 1."""
    return chosen(range(1, count + 1))
