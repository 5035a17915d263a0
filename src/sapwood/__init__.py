"""Sapwood carries tensors and models from one version to the next and moves only what changed.

    >>> import numpy as np
    >>> from sapwood import apply_patch, create_patch
    >>> base = np.zeros((3, 3), dtype=np.float32)
    >>> target = np.eye(3, dtype=np.float32)
    >>> patch = create_patch(base, target)
    >>> bool(np.array_equal(apply_patch(base, patch), target))
    True

`sapwood.models` does the same for files. All errors are in `sapwood.errors`. What is exported
here is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from sapwood import errors as errors, lazy

if TYPE_CHECKING:
    from sapwood import models as models
    from sapwood.limits import Limits as Limits
    from sapwood.patch import (
        Buffer as Buffer,
        Patch as Patch,
        PatchSource as PatchSource,
        apply_patch as apply_patch,
        apply_patch_to_chunks as apply_patch_to_chunks,
        create_patch as create_patch,
        create_patch_from_chunks as create_patch_from_chunks,
        inspect_patch as inspect_patch,
    )
    from sapwood.progress import Progress as Progress
    from sapwood.tensors import DType as DType

    __version__: str
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood": ["errors", "models"],
            "sapwood.limits": ["Limits"],
            "sapwood.patch": [
                "Buffer",
                "Patch",
                "PatchSource",
                "apply_patch",
                "apply_patch_to_chunks",
                "create_patch",
                "create_patch_from_chunks",
                "inspect_patch",
            ],
            "sapwood.patch.format.version": ["__version__"],
            "sapwood.progress": ["Progress"],
            "sapwood.tensors": ["DType"],
        },
    )
