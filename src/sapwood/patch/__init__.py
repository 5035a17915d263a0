"""Patches between tensors, and the patch file that patches of models share."""

from sapwood.patch.streams import apply_patch_to_chunks, create_patch_from_chunks
from sapwood.patch.tensor import Patch, apply_patch, create_patch, inspect_patch

__all__ = [
    "Patch",
    "apply_patch",
    "apply_patch_to_chunks",
    "create_patch",
    "create_patch_from_chunks",
    "inspect_patch",
]
