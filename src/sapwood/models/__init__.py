"""Patches between two model files: safetensors tensor by tensor, any other file as bytes."""

from sapwood.models.adapters import AdapterReport, extract_adapter
from sapwood.models.patching import apply_patch, create_patch, patch_info, verify_patch
from sapwood.models.results import PatchInfo, PatchStats, PatchVerification

__all__ = [
    "AdapterReport",
    "PatchInfo",
    "PatchStats",
    "PatchVerification",
    "apply_patch",
    "create_patch",
    "extract_adapter",
    "patch_info",
    "verify_patch",
]
