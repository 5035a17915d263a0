"""Patches between tensors, and the patch file that patches of models share."""

from sapwood.patch.tensor import Patch, apply_patch, create_patch, inspect_patch

__all__ = ["Patch", "apply_patch", "create_patch", "inspect_patch"]
