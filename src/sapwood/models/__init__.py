"""Patches between two model files: tensor by tensor where the format is known, else as bytes."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.errors import (
        InvalidPatch as InvalidPatch,
        IoError as IoError,
        SapwoodError as SapwoodError,
        SignatureError as SignatureError,
        SourceHashMismatch as SourceHashMismatch,
        TargetHashMismatch as TargetHashMismatch,
    )
    from sapwood.fetching.openers import Fetching as Fetching
    from sapwood.files.outputs import Output as Output
    from sapwood.files.sources import Source as Source
    from sapwood.limits import Limits as Limits
    from sapwood.models.adapters.errors import Remainder as Remainder
    from sapwood.models.adapters.extraction import (
        AdapterModule as AdapterModule,
        AdapterReport as AdapterReport,
        extract_adapter as extract_adapter,
    )
    from sapwood.models.applying import in_place as in_place
    from sapwood.models.applying.loading import (
        PatchedModel as PatchedModel,
        load_patched as load_patched,
    )
    from sapwood.models.applying.slots import Slot as Slot, Slots as Slots
    from sapwood.models.applying.subsets import extract_tensors as extract_tensors
    from sapwood.models.applying.whole import (
        apply_patch as apply_patch,
        verify_patch as verify_patch,
    )
    from sapwood.models.batches import (
        PATCH_SUFFIX as PATCH_SUFFIX,
        Batch as Batch,
        Pair as Pair,
        Pairing as Pairing,
        folders_for as folders_for,
        pair_files as pair_files,
        pair_patches as pair_patches,
    )
    from sapwood.models.chains.applying import (
        ChainApplication as ChainApplication,
        apply_chain as apply_chain,
    )
    from sapwood.models.chains.files import (
        append_to_chain as append_to_chain,
        chain_info as chain_info,
        create_chain as create_chain,
        extract_patch as extract_patch,
    )
    from sapwood.models.chains.offers import (
        Offered as Offered,
        chain_offers as chain_offers,
        file_offer as file_offer,
        held_versions as held_versions,
        patch_offer as patch_offer,
    )
    from sapwood.models.chains.routes import (
        APPLY_SPEED as APPLY_SPEED,
        BANDWIDTH as BANDWIDTH,
        Alternative as Alternative,
        By as By,
        Offer as Offer,
        Route as Route,
        RoutePlan as RoutePlan,
        plan_route as plan_route,
    )
    from sapwood.models.chains.squashing import squash_chain as squash_chain
    from sapwood.models.chains.versions import Chain as Chain, Link as Link, Version as Version
    from sapwood.models.comparing.diffing import (
        STATUSES as STATUSES,
        Measures as Measures,
        ModelDiff as ModelDiff,
        Status as Status,
        TensorDiff as TensorDiff,
        diff as diff,
    )
    from sapwood.models.comparing.fingerprints import (
        Fingerprint as Fingerprint,
        compare_fingerprints as compare_fingerprints,
        fingerprint as fingerprint,
    )
    from sapwood.models.making.creating import create_patch as create_patch
    from sapwood.models.making.signing import sign_patch as sign_patch
    from sapwood.models.receiving.info import patch_info as patch_info
    from sapwood.models.receiving.inspection import (
        Inspection as Inspection,
        PatchedFile as PatchedFile,
        inspect_patch as inspect_patch,
    )
    from sapwood.models.receiving.opening import (
        Delivery as Delivery,
        Received as Received,
        delivery as delivery,
        receive as receive,
    )
    from sapwood.models.receiving.receiving import Receiving as Receiving
    from sapwood.models.results import (
        FILE_STATUSES as FILE_STATUSES,
        FileDiff as FileDiff,
        FileStatus as FileStatus,
        PatchApplication as PatchApplication,
        PatchInfo as PatchInfo,
        PatchRollBack as PatchRollBack,
        PatchSigning as PatchSigning,
        PatchStats as PatchStats,
        PatchVerification as PatchVerification,
        TensorExtraction as TensorExtraction,
    )
    from sapwood.patch.applying.opening import OpenPatch as OpenPatch
    from sapwood.patch.format.front import (
        FileDigest as FileDigest,
        Front as Front,
        Header as Header,
        Segment as Segment,
    )
    from sapwood.patch.signatures import ListedSignature as ListedSignature
    from sapwood.progress import Progress as Progress
    from sapwood.tensors import TensorSpec as TensorSpec
    from sapwood.trust import (
        Accepted as Accepted,
        Key as Key,
        Trust as Trust,
        generate_keypair as generate_keypair,
    )
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
                "PatchRollBack",
                "PatchSigning",
                "PatchStats",
                "PatchVerification",
                "TensorExtraction",
            ],
            "sapwood.patch.applying.opening": ["OpenPatch"],
            "sapwood.patch.format.front": ["FileDigest", "Front", "Header", "Segment"],
            "sapwood.patch.signatures": ["ListedSignature"],
            "sapwood.progress": ["Progress"],
            "sapwood.tensors": ["TensorSpec"],
            "sapwood.trust": ["Accepted", "Key", "Trust", "generate_keypair"],
        },
    )
