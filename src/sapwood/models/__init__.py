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
    from sapwood.fetching.openers import Fetching as Fetching
    from sapwood.files.outputs import Output as Output
    from sapwood.files.sources import Source as Source
    from sapwood.limits import Limits as Limits
    from sapwood.models.adapters.errors import Remainder as Remainder
    from sapwood.models.adapters.extraction import AdapterModule as AdapterModule
    from sapwood.models.adapters.extraction import AdapterReport as AdapterReport
    from sapwood.models.adapters.extraction import extract_adapter as extract_adapter
    from sapwood.models.applying import in_place as in_place
    from sapwood.models.applying.loading import PatchedModel as PatchedModel
    from sapwood.models.applying.loading import load_patched as load_patched
    from sapwood.models.applying.slots import Slot as Slot
    from sapwood.models.applying.slots import Slots as Slots
    from sapwood.models.applying.subsets import extract_tensors as extract_tensors
    from sapwood.models.applying.whole import apply_patch as apply_patch
    from sapwood.models.applying.whole import verify_patch as verify_patch
    from sapwood.models.batches import PATCH_SUFFIX as PATCH_SUFFIX
    from sapwood.models.batches import Batch as Batch
    from sapwood.models.batches import Pair as Pair
    from sapwood.models.batches import Pairing as Pairing
    from sapwood.models.batches import folders_for as folders_for
    from sapwood.models.batches import pair_files as pair_files
    from sapwood.models.batches import pair_patches as pair_patches
    from sapwood.models.chains.applying import ChainApplication as ChainApplication
    from sapwood.models.chains.applying import apply_chain as apply_chain
    from sapwood.models.chains.files import append_to_chain as append_to_chain
    from sapwood.models.chains.files import chain_info as chain_info
    from sapwood.models.chains.files import create_chain as create_chain
    from sapwood.models.chains.files import extract_patch as extract_patch
    from sapwood.models.chains.offers import Offered as Offered
    from sapwood.models.chains.offers import chain_offers as chain_offers
    from sapwood.models.chains.offers import file_offer as file_offer
    from sapwood.models.chains.offers import held_versions as held_versions
    from sapwood.models.chains.offers import patch_offer as patch_offer
    from sapwood.models.chains.routes import APPLY_SPEED as APPLY_SPEED
    from sapwood.models.chains.routes import BANDWIDTH as BANDWIDTH
    from sapwood.models.chains.routes import Alternative as Alternative
    from sapwood.models.chains.routes import By as By
    from sapwood.models.chains.routes import Offer as Offer
    from sapwood.models.chains.routes import Route as Route
    from sapwood.models.chains.routes import RoutePlan as RoutePlan
    from sapwood.models.chains.routes import plan_route as plan_route
    from sapwood.models.chains.squashing import squash_chain as squash_chain
    from sapwood.models.chains.versions import Chain as Chain
    from sapwood.models.chains.versions import Link as Link
    from sapwood.models.chains.versions import Version as Version
    from sapwood.models.comparing.diffing import STATUSES as STATUSES
    from sapwood.models.comparing.diffing import Measures as Measures
    from sapwood.models.comparing.diffing import ModelDiff as ModelDiff
    from sapwood.models.comparing.diffing import Status as Status
    from sapwood.models.comparing.diffing import TensorDiff as TensorDiff
    from sapwood.models.comparing.diffing import diff as diff
    from sapwood.models.comparing.fingerprints import Fingerprint as Fingerprint
    from sapwood.models.comparing.fingerprints import compare_fingerprints as compare_fingerprints
    from sapwood.models.comparing.fingerprints import fingerprint as fingerprint
    from sapwood.models.making.creating import create_patch as create_patch
    from sapwood.models.making.signing import sign_patch as sign_patch
    from sapwood.models.receiving.info import patch_info as patch_info
    from sapwood.models.receiving.inspection import Inspection as Inspection
    from sapwood.models.receiving.inspection import PatchedFile as PatchedFile
    from sapwood.models.receiving.inspection import inspect_patch as inspect_patch
    from sapwood.models.receiving.opening import Delivery as Delivery
    from sapwood.models.receiving.opening import Received as Received
    from sapwood.models.receiving.opening import delivery as delivery
    from sapwood.models.receiving.opening import receive as receive
    from sapwood.models.receiving.receiving import Receiving as Receiving
    from sapwood.models.results import FILE_STATUSES as FILE_STATUSES
    from sapwood.models.results import FileDiff as FileDiff
    from sapwood.models.results import FileStatus as FileStatus
    from sapwood.models.results import PatchApplication as PatchApplication
    from sapwood.models.results import PatchInfo as PatchInfo
    from sapwood.models.results import PatchStats as PatchStats
    from sapwood.models.results import PatchVerification as PatchVerification
    from sapwood.patch.applying.opening import OpenPatch as OpenPatch
    from sapwood.patch.format.front import FileDigest as FileDigest
    from sapwood.patch.format.front import Front as Front
    from sapwood.patch.format.front import Header as Header
    from sapwood.patch.format.front import Segment as Segment
    from sapwood.patch.signatures import Listed as Listed
    from sapwood.progress import Progress as Progress
    from sapwood.tensors import TensorSpec as TensorSpec
    from sapwood.trust import Accepted as Accepted
    from sapwood.trust import Key as Key
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
            "sapwood.fetching.openers": ["Fetching"],
            "sapwood.files.outputs": ["Output"],
            "sapwood.files.sources": ["Source"],
            "sapwood.limits": ["Limits"],
            "sapwood.models.adapters.errors": ["Remainder"],
            "sapwood.models.adapters.extraction": [
                "AdapterModule",
                "AdapterReport",
                "extract_adapter",
            ],
            "sapwood.models.applying": ["in_place"],
            "sapwood.models.applying.loading": ["PatchedModel", "load_patched"],
            "sapwood.models.applying.slots": ["Slot", "Slots"],
            "sapwood.models.applying.subsets": ["extract_tensors"],
            "sapwood.models.applying.whole": ["apply_patch", "verify_patch"],
            "sapwood.models.batches": [
                "Batch",
                "PATCH_SUFFIX",
                "Pair",
                "Pairing",
                "folders_for",
                "pair_files",
                "pair_patches",
            ],
            "sapwood.models.chains.applying": ["ChainApplication", "apply_chain"],
            "sapwood.models.chains.files": [
                "append_to_chain",
                "chain_info",
                "create_chain",
                "extract_patch",
            ],
            "sapwood.models.chains.offers": [
                "Offered",
                "chain_offers",
                "file_offer",
                "held_versions",
                "patch_offer",
            ],
            "sapwood.models.chains.routes": [
                "APPLY_SPEED",
                "Alternative",
                "BANDWIDTH",
                "By",
                "Offer",
                "Route",
                "RoutePlan",
                "plan_route",
            ],
            "sapwood.models.chains.squashing": ["squash_chain"],
            "sapwood.models.chains.versions": ["Chain", "Link", "Version"],
            "sapwood.models.comparing.diffing": [
                "Measures",
                "ModelDiff",
                "STATUSES",
                "Status",
                "TensorDiff",
                "diff",
            ],
            "sapwood.models.comparing.fingerprints": [
                "Fingerprint",
                "compare_fingerprints",
                "fingerprint",
            ],
            "sapwood.models.making.creating": ["create_patch"],
            "sapwood.models.making.signing": ["sign_patch"],
            "sapwood.models.receiving.info": ["patch_info"],
            "sapwood.models.receiving.inspection": ["Inspection", "PatchedFile", "inspect_patch"],
            "sapwood.models.receiving.opening": ["Delivery", "Received", "delivery", "receive"],
            "sapwood.models.receiving.receiving": ["Receiving"],
            "sapwood.models.results": [
                "FILE_STATUSES",
                "FileDiff",
                "FileStatus",
                "PatchApplication",
                "PatchInfo",
                "PatchStats",
                "PatchVerification",
            ],
            "sapwood.patch.applying.opening": ["OpenPatch"],
            "sapwood.patch.format.front": ["FileDigest", "Front", "Header", "Segment"],
            "sapwood.patch.signatures": ["Listed"],
            "sapwood.progress": ["Progress"],
            "sapwood.tensors": ["TensorSpec"],
            "sapwood.trust": ["Accepted", "Key", "Trust", "generate_keypair"],
        },
    )
