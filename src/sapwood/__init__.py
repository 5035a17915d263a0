"""Sapwood carries tensors and models from one version to the next and moves only what changed.

    >>> import numpy as np
    >>> from sapwood import apply_patch, create_patch
    >>> base = np.zeros((3, 3), dtype=np.float32)
    >>> target = np.eye(3, dtype=np.float32)
    >>> patch = create_patch(base, target)
    >>> bool(np.array_equal(apply_patch(base, patch), target))
    True

`sapwood.models` does the same for files. All errors are in `sapwood.errors`.

What is exported here is imported when it is first asked for, so that the command
line can print its help without loading NumPy.
"""

import importlib
from typing import TYPE_CHECKING

from sapwood import errors

if TYPE_CHECKING:
    from sapwood import models
    from sapwood.patch import (
        Patch,
        apply_patch,
        apply_patch_to_chunks,
        create_patch,
        create_patch_from_chunks,
        inspect_patch,
    )

    __version__: str

__all__ = [
    "Patch",
    "__version__",
    "apply_patch",
    "apply_patch_to_chunks",
    "create_patch",
    "create_patch_from_chunks",
    "errors",
    "inspect_patch",
    "models",
]

if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> object:
        """What is exported under a name, imported now and kept."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "models":
            return importlib.import_module("sapwood.models")
        if name == "__version__":
            value = importlib.import_module("sapwood.patch.format.version").RELEASE
        else:
            value = getattr(importlib.import_module("sapwood.patch"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """What is exported, imported or not, and the rest of the module."""
    return sorted({*globals(), *__all__})
