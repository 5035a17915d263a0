"""Patches between tensors, and the patch file that patches of models share."""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood.codec import Coding as Coding
    from sapwood.limits import Limits as Limits
    from sapwood.patch.applying.opening import OpenPatch as OpenPatch
    from sapwood.patch.format.front import CODING_WORDS as CODING_WORDS
    from sapwood.patch.format.front import VERSION as VERSION
    from sapwood.patch.format.front import Chunk as Chunk
    from sapwood.patch.format.front import FileDigest as FileDigest
    from sapwood.patch.format.front import Front as Front
    from sapwood.patch.format.front import Header as Header
    from sapwood.patch.format.front import Segment as Segment
    from sapwood.patch.format.predictions import BaseRange as BaseRange
    from sapwood.patch.format.predictions import BlendEntry as BlendEntry
    from sapwood.patch.format.predictions import CastEntry as CastEntry
    from sapwood.patch.format.predictions import FactorsEntry as FactorsEntry
    from sapwood.patch.format.predictions import GivenFactors as GivenFactors
    from sapwood.patch.format.predictions import Place as Place
    from sapwood.patch.format.predictions import QuantiseEntry as QuantiseEntry
    from sapwood.patch.regrouping import Buffer as Buffer
    from sapwood.patch.streams import PatchSource as PatchSource
    from sapwood.patch.streams import apply_patch_to_chunks as apply_patch_to_chunks
    from sapwood.patch.streams import create_patch_from_chunks as create_patch_from_chunks
    from sapwood.patch.tensor import Patch as Patch
    from sapwood.patch.tensor import apply_patch as apply_patch
    from sapwood.patch.tensor import create_patch as create_patch
    from sapwood.patch.tensor import inspect_patch as inspect_patch
    from sapwood.tensors import DType as DType
    from sapwood.tensors import TensorSpec as TensorSpec
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
