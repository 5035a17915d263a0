"""A model, a tuned one and the patch between them, to be loaded."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import torch

from sapwood import models
from sapwood.models.making import creating
from sapwood.models.making.inputs import Input
from sapwood.models.making.regions import plain_segments
from sapwood.models.making.segments import input_segments, whole
from sapwood.patch.making.segments import SegmentSource
from sapwood.tensors import view
from support.model_files import Tensors, layer, safetensors_file, stacked, tuned
from support.patch_writer import parts_of

MODEL = stacked([layer(1), layer(2)])
TUNED = {
    name: array if name == "layers.0.mlp.weight" else tuned(array, i)
    for i, (name, array) in enumerate(MODEL.items())
}
BASE, TARGET = safetensors_file(MODEL), safetensors_file(TUNED)
UNCHANGED = "layers.0.mlp.weight"


def patch_of(base: Any, target: bytes, *, by_tensors: bool = True, **options: Any) -> bytes:
    """A patch with the names of tensors; or one by bytes, as some containers have."""
    out = io.BytesIO()

    def by_bytes(bases: Sequence[Input], new: Input, *_: Any) -> list[SegmentSource]:
        return plain_segments(whole(bases[0].content), whole(new.content))

    with mock.patch.object(creating, "input_segments", input_segments if by_tensors else by_bytes):
        models.create_patch(base, target, out, **options)
    return out.getvalue()


PATCH = patch_of(BASE, TARGET)


def as_torch(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The same elements in new tensors."""
    out = {}
    for name, array in tensors.items():
        words = torch.from_numpy(array.view(f"i{array.itemsize}").copy())
        out[name] = words.view(torch.bfloat16 if array.dtype.name == "bfloat16" else torch.float32)
    return out


def bits(tensors: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: view(one).data.tobytes() for name, one in tensors.items()}


def with_wrong_digest(name: str) -> bytes:
    """The patch, whole by its digests, with another digest for that tensor's first chunk."""
    parts = parts_of(PATCH)
    (one,) = (s for s in parts.index["segments"] if s["name"] == name)
    one["digests"] = ("1" if one["digests"][0] == "0" else "0") + one["digests"][1:]
    return parts.write()
