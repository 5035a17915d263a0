"""Instruments what inputs run through, and not all that Python has imported.

`atheris.instrument_all` takes a quarter of a minute for the thousands of functions of NumPy and
the standard library, longer than a target runs in CI.
"""

from __future__ import annotations

import gc
from types import FunctionType

PARSERS = frozenset({"json", "packaging", "sapwood", "tomllib"})


def instrument_parsers() -> None:
    """Lets atheris see which branches of ours, and of the parsers that we use, an input takes."""
    from atheris import instrument_func  # type: ignore[import-untyped]

    for one in gc.get_objects():
        if isinstance(one, FunctionType) and str(one.__module__).partition(".")[0] in PARSERS:
            instrument_func(one)
