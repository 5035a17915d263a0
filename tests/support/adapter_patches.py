"""Patches of model files with low-rank updates, put together by hand: every chunk is raw."""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from sapwood import models
from sapwood.models.making import creating
from sapwood.patch.format.serialising import factors_fields
from sapwood.patch.making.choosing import factors_entry
from sapwood.prediction.factors import Factors
from sapwood.prediction.payload_coding import encode_factors
from sapwood.tensors import DType
from support.model_files import safetensors_file
from support.patch_writer import parts_of

Array = npt.NDArray[Any]

SIZES = {one.label: one.size for one in DType}


@dataclasses.dataclass(frozen=True)
class Update:
    """A prediction: factors, and bases by number with their coefficients."""

    factors: Factors | None
    terms: Mapping[int, float] = dataclasses.field(default_factory=lambda: {0: 1.0})
    each: bool = False


def adapter_patch(
    bases: Sequence[Mapping[str, Array]],
    target: Mapping[str, Array],
    updates: Mapping[str, Update | None],
    *,
    chunk: int = 1000,
) -> bytes:
    """The patch whose tensors are predicted as told.

    Args:
        bases: tensors of each model, of the same names and shapes.
        target: its tensors.
        updates: by the name of the tensor, None for one that nothing predicts; those that
            are not named are predicted from the first base.
        chunk: elements.
    """
    olds, new = [safetensors_file(one) for one in bases], safetensors_file(target)
    out = io.BytesIO()
    # By tensors, also where the target alone is smaller.
    with mock.patch.object(creating, "may_be_smaller", return_value=False):
        models.create_patch(list(olds), new, out, low_rank=False)
    parts = parts_of(out.getvalue())
    at = 0
    body = b""
    for one in parts.index["segments"]:
        size = int(np.prod(one["shape"])) * SIZES[one["dtype"]]
        data = new[at : at + size]
        step = chunk * SIZES[one["dtype"]]
        pieces = [data[begin : begin + step] for begin in range(0, size, step)]
        payload = b""
        same = one["name"] not in updates
        if same:
            same = olds[0][at : at + size] == data
        else:
            update = updates[one["name"]]
            if update is not None and update.factors is not None:
                payload = encode_factors(update.factors)
            one["prediction"] = None if update is None else prediction(update, at, payload)
        one.update(
            chunk=chunk,
            codings=("c" if same else "r") * len(pieces),
            sizes=[0 if same else len(piece) for piece in pieces],
            digests="".join(blake3(piece).digest(16).hex() for piece in pieces),
        )
        body += payload if same else payload + data
        at += size
    assert at == len(new)
    parts.tables = []
    parts.body = body
    return parts.write()


def prediction(update: Update, offset: int, payload: bytes) -> dict[str, Any]:
    """The field of the index; the bases' tensors lie where the target's do."""
    factors = update.factors
    return {
        "kind": "blend",
        "terms": [
            {"base": i, "offset": offset, "coefficient": struct.pack(">d", c).hex()}
            for i, c in update.terms.items()
        ],
        "rounding": "each" if update.each else "once",
        "factors": None if factors is None else factors_fields(factors_entry(factors, payload)),
    }
