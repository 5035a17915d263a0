"""Patches between two model files: tensor by tensor where the format is known, else as bytes."""

from sapwood.errors import (
    InvalidPatch,
    IoError,
    SapwoodError,
    SignatureError,
    SourceHashMismatch,
    TargetHashMismatch,
)
from sapwood.models.adapters import AdapterReport, extract_adapter
from sapwood.models.applying import apply_patch, patch_info, verify_patch
from sapwood.models.creating import create_patch
from sapwood.models.diffing import Measures, ModelDiff, TensorDiff, diff
from sapwood.models.fingerprints import Fingerprint, compare_fingerprints, fingerprint
from sapwood.models.loading import PatchedModel, load_patched
from sapwood.models.results import PatchInfo, PatchStats, PatchVerification
from sapwood.models.signing import sign_patch
from sapwood.trust import generate_keypair

__all__ = [
    "AdapterReport",
    "Fingerprint",
    "InvalidPatch",
    "IoError",
    "Measures",
    "ModelDiff",
    "PatchInfo",
    "PatchStats",
    "PatchVerification",
    "PatchedModel",
    "SapwoodError",
    "SignatureError",
    "SourceHashMismatch",
    "TargetHashMismatch",
    "TensorDiff",
    "apply_patch",
    "compare_fingerprints",
    "create_patch",
    "diff",
    "extract_adapter",
    "fingerprint",
    "generate_keypair",
    "load_patched",
    "patch_info",
    "sign_patch",
    "verify_patch",
]
