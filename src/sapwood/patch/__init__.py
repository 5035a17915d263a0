"""Patches between tensors, and the patch file that patches of models share."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.codec import Coding as Coding
    from sapwood.limits import Limits as Limits
    from sapwood.patch.applying.opening import OpenPatch as OpenPatch
    from sapwood.patch.format.front import (
        CODING_WORDS as CODING_WORDS,
        VERSION as VERSION,
        Chunk as Chunk,
        FileDigest as FileDigest,
        Front as Front,
        Header as Header,
        Segment as Segment,
    )
    from sapwood.patch.format.predictions import (
        BaseRange as BaseRange,
        BlendEntry as BlendEntry,
        CastEntry as CastEntry,
        FactorsEntry as FactorsEntry,
        GivenFactors as GivenFactors,
        Place as Place,
        QuantiseEntry as QuantiseEntry,
    )
    from sapwood.patch.regrouping import Buffer as Buffer
    from sapwood.patch.streams import (
        PatchSource as PatchSource,
        apply_patch_to_chunks as apply_patch_to_chunks,
        create_patch_from_chunks as create_patch_from_chunks,
    )
    from sapwood.patch.tensor import (
        Patch as Patch,
        apply_patch as apply_patch,
        create_patch as create_patch,
        inspect_patch as inspect_patch,
    )
    from sapwood.tensors import DType as DType, TensorSpec as TensorSpec
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood.codec": ["Coding"],
            "sapwood.limits": ["Limits"],
            "sapwood.patch.applying.opening": ["OpenPatch"],
            "sapwood.patch.format.front": [
                "CODING_WORDS",
                "Chunk",
                "FileDigest",
                "Front",
                "Header",
                "Segment",
                "VERSION",
            ],
            "sapwood.patch.format.predictions": [
                "BaseRange",
                "BlendEntry",
                "CastEntry",
                "FactorsEntry",
                "GivenFactors",
                "Place",
                "QuantiseEntry",
            ],
            "sapwood.patch.regrouping": ["Buffer"],
            "sapwood.patch.streams": [
                "PatchSource",
                "apply_patch_to_chunks",
                "create_patch_from_chunks",
            ],
            "sapwood.patch.tensor": ["Patch", "apply_patch", "create_patch", "inspect_patch"],
            "sapwood.tensors": ["DType", "TensorSpec"],
        },
    )
