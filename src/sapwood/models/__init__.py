"""Patches between two model files: tensor by tensor where the format is known, else as bytes."""

from sapwood.models.adapters import AdapterReport, extract_adapter
from sapwood.models.applying import apply_patch, patch_info, verify_patch
from sapwood.models.creating import create_patch
from sapwood.models.diffing import Measures, ModelDiff, TensorDiff, diff
from sapwood.models.fingerprints import Fingerprint, compare_fingerprints, fingerprint
from sapwood.models.in_place import apply_in_place, confirm, roll_back
from sapwood.models.loading import PatchedModel, load_patched
from sapwood.models.results import PatchInfo, PatchStats, PatchVerification
from sapwood.models.signing import sign_patch
from sapwood.trust import generate_keypair

__all__ = [
    "AdapterReport",
    "Fingerprint",
    "Measures",
    "ModelDiff",
    "PatchInfo",
    "PatchStats",
    "PatchVerification",
    "PatchedModel",
    "TensorDiff",
    "apply_in_place",
    "apply_patch",
    "compare_fingerprints",
    "confirm",
    "create_patch",
    "diff",
    "extract_adapter",
    "fingerprint",
    "generate_keypair",
    "load_patched",
    "patch_info",
    "roll_back",
    "sign_patch",
    "verify_patch",
]
