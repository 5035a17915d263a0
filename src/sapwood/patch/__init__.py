"""Patches between tensors, and the patch file that patches of models share."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.patch.streams import apply_patch_to_chunks as apply_patch_to_chunks
    from sapwood.patch.streams import create_patch_from_chunks as create_patch_from_chunks
    from sapwood.patch.tensor import Patch as Patch
    from sapwood.patch.tensor import apply_patch as apply_patch
    from sapwood.patch.tensor import create_patch as create_patch
    from sapwood.patch.tensor import inspect_patch as inspect_patch
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.patch.streams": ["apply_patch_to_chunks", "create_patch_from_chunks"],
            "sapwood.patch.tensor": ["Patch", "apply_patch", "create_patch", "inspect_patch"],
        },
    )
