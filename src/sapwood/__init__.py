"""Sapwood carries tensors and models from one version to the next and moves only what changed.

    >>> import numpy as np
    >>> from sapwood import apply_patch, create_patch
    >>> base = np.zeros((3, 3), dtype=np.float32)
    >>> target = np.eye(3, dtype=np.float32)
    >>> patch = create_patch(base, target)
    >>> bool(np.array_equal(apply_patch(base, patch), target))
    True

`sapwood.models` does the same for files. All errors are in `sapwood.errors`.
"""

from sapwood import errors
from sapwood.patch import Patch, apply_patch, create_patch, inspect_patch
from sapwood.patch.version import RELEASE as __version__

__all__ = ["Patch", "__version__", "apply_patch", "create_patch", "errors", "inspect_patch"]
