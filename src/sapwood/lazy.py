"""Doors that open slowly: what a package exports is imported when it is first asked for.

A receiver that applies patches loads no planner, and a command prints its help without
NumPy, although both come in by the same doors as everybody. To type checkers such an
`__init__` imports its names outright, in a block that never runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence


def door(
    package: str, exports: Mapping[str, Sequence[str]]
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """What a package's `__init__` needs to export names without importing them.

    Args:
        package: full name of the package, its `__name__`.
        exports: names by the module that defines them. A module itself is exported by the
            name of the package that it is in.

    Returns:
        Its `__all__`, in order of the alphabet, its `__getattr__` and its `__dir__`.
    """
    modules = {name: module for module, names in exports.items() for name in names}

    def load(name: str) -> object:
        """What is exported under a name, imported now and kept."""
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if module == package:
            value: object = importlib.import_module(f"{package}.{name}")
        else:
            value = getattr(importlib.import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        """What is exported, imported or not, and the rest of the module."""
        return sorted({*vars(sys.modules[package]), *modules})

    return sorted(modules), load, listed
