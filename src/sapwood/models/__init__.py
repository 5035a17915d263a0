"""Patches between two model files: tensor by tensor where the format is known, else as bytes."""

from sapwood.errors import (
    InvalidPatch,
    IoError,
    SapwoodError,
    SignatureError,
    SourceHashMismatch,
    TargetHashMismatch,
)
from sapwood.models.adapters.extraction import AdapterReport, extract_adapter
from sapwood.models.applying.in_place.applying import apply_in_place, confirm, roll_back
from sapwood.models.applying.loading import PatchedModel, load_patched
from sapwood.models.applying.subsets import extract_tensors
from sapwood.models.applying.whole import apply_patch, verify_patch
from sapwood.models.chains.applying import ChainApplication, apply_chain
from sapwood.models.chains.files import append_to_chain, chain_info, create_chain, extract_patch
from sapwood.models.chains.routes import Alternative, Offer, Route, RoutePlan, plan_route
from sapwood.models.chains.squashing import squash_chain
from sapwood.models.chains.versions import Chain, Link, Version
from sapwood.models.comparing.diffing import Measures, ModelDiff, TensorDiff, diff
from sapwood.models.comparing.file_diffs import FileDiff
from sapwood.models.comparing.fingerprints import Fingerprint, compare_fingerprints, fingerprint
from sapwood.models.making.creating import create_patch
from sapwood.models.making.signing import sign_patch
from sapwood.models.receiving.info import patch_info
from sapwood.models.results import PatchInfo, PatchStats, PatchVerification
from sapwood.trust import Trust, generate_keypair

__all__ = [
    "AdapterReport",
    "Alternative",
    "Chain",
    "ChainApplication",
    "FileDiff",
    "Fingerprint",
    "InvalidPatch",
    "IoError",
    "Link",
    "Measures",
    "ModelDiff",
    "Offer",
    "PatchInfo",
    "PatchStats",
    "PatchVerification",
    "PatchedModel",
    "Route",
    "RoutePlan",
    "SapwoodError",
    "SignatureError",
    "SourceHashMismatch",
    "TargetHashMismatch",
    "TensorDiff",
    "Trust",
    "Version",
    "append_to_chain",
    "apply_chain",
    "apply_in_place",
    "apply_patch",
    "chain_info",
    "compare_fingerprints",
    "confirm",
    "create_chain",
    "create_patch",
    "diff",
    "extract_adapter",
    "extract_patch",
    "extract_tensors",
    "fingerprint",
    "generate_keypair",
    "load_patched",
    "patch_info",
    "plan_route",
    "roll_back",
    "sign_patch",
    "squash_chain",
    "verify_patch",
]
