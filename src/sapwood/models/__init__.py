"""Patches between two model files: tensor by tensor where the format is known, else as bytes."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.errors import InvalidPatch as InvalidPatch
    from sapwood.errors import IoError as IoError
    from sapwood.errors import SapwoodError as SapwoodError
    from sapwood.errors import SignatureError as SignatureError
    from sapwood.errors import SourceHashMismatch as SourceHashMismatch
    from sapwood.errors import TargetHashMismatch as TargetHashMismatch
    from sapwood.models.adapters.extraction import AdapterReport as AdapterReport
    from sapwood.models.adapters.extraction import extract_adapter as extract_adapter
    from sapwood.models.applying.in_place.applying import apply_in_place as apply_in_place
    from sapwood.models.applying.in_place.applying import confirm as confirm
    from sapwood.models.applying.in_place.applying import roll_back as roll_back
    from sapwood.models.applying.loading import PatchedModel as PatchedModel
    from sapwood.models.applying.loading import load_patched as load_patched
    from sapwood.models.applying.subsets import extract_tensors as extract_tensors
    from sapwood.models.applying.whole import apply_patch as apply_patch
    from sapwood.models.applying.whole import verify_patch as verify_patch
    from sapwood.models.chains.applying import ChainApplication as ChainApplication
    from sapwood.models.chains.applying import apply_chain as apply_chain
    from sapwood.models.chains.files import append_to_chain as append_to_chain
    from sapwood.models.chains.files import chain_info as chain_info
    from sapwood.models.chains.files import create_chain as create_chain
    from sapwood.models.chains.files import extract_patch as extract_patch
    from sapwood.models.chains.routes import Alternative as Alternative
    from sapwood.models.chains.routes import Offer as Offer
    from sapwood.models.chains.routes import Route as Route
    from sapwood.models.chains.routes import RoutePlan as RoutePlan
    from sapwood.models.chains.routes import plan_route as plan_route
    from sapwood.models.chains.squashing import squash_chain as squash_chain
    from sapwood.models.chains.versions import Chain as Chain
    from sapwood.models.chains.versions import Link as Link
    from sapwood.models.chains.versions import Version as Version
    from sapwood.models.comparing.diffing import Measures as Measures
    from sapwood.models.comparing.diffing import ModelDiff as ModelDiff
    from sapwood.models.comparing.diffing import TensorDiff as TensorDiff
    from sapwood.models.comparing.diffing import diff as diff
    from sapwood.models.comparing.file_diffs import FileDiff as FileDiff
    from sapwood.models.comparing.fingerprints import Fingerprint as Fingerprint
    from sapwood.models.comparing.fingerprints import compare_fingerprints as compare_fingerprints
    from sapwood.models.comparing.fingerprints import fingerprint as fingerprint
    from sapwood.models.making.creating import create_patch as create_patch
    from sapwood.models.making.signing import sign_patch as sign_patch
    from sapwood.models.receiving.info import patch_info as patch_info
    from sapwood.models.results import PatchInfo as PatchInfo
    from sapwood.models.results import PatchStats as PatchStats
    from sapwood.models.results import PatchVerification as PatchVerification
    from sapwood.trust import Trust as Trust
    from sapwood.trust import generate_keypair as generate_keypair
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.errors": [
                "InvalidPatch",
                "IoError",
                "SapwoodError",
                "SignatureError",
                "SourceHashMismatch",
                "TargetHashMismatch",
            ],
            "sapwood.models.adapters.extraction": ["AdapterReport", "extract_adapter"],
            "sapwood.models.applying.in_place.applying": ["apply_in_place", "confirm", "roll_back"],
            "sapwood.models.applying.loading": ["PatchedModel", "load_patched"],
            "sapwood.models.applying.subsets": ["extract_tensors"],
            "sapwood.models.applying.whole": ["apply_patch", "verify_patch"],
            "sapwood.models.chains.applying": ["ChainApplication", "apply_chain"],
            "sapwood.models.chains.files": [
                "append_to_chain",
                "chain_info",
                "create_chain",
                "extract_patch",
            ],
            "sapwood.models.chains.routes": [
                "Alternative",
                "Offer",
                "Route",
                "RoutePlan",
                "plan_route",
            ],
            "sapwood.models.chains.squashing": ["squash_chain"],
            "sapwood.models.chains.versions": ["Chain", "Link", "Version"],
            "sapwood.models.comparing.diffing": ["Measures", "ModelDiff", "TensorDiff", "diff"],
            "sapwood.models.comparing.file_diffs": ["FileDiff"],
            "sapwood.models.comparing.fingerprints": [
                "Fingerprint",
                "compare_fingerprints",
                "fingerprint",
            ],
            "sapwood.models.making.creating": ["create_patch"],
            "sapwood.models.making.signing": ["sign_patch"],
            "sapwood.models.receiving.info": ["patch_info"],
            "sapwood.models.results": ["PatchInfo", "PatchStats", "PatchVerification"],
            "sapwood.trust": ["Trust", "generate_keypair"],
        },
    )
