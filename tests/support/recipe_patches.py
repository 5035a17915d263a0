"""Patches of model files with one tensor that a recipe makes: every chunk is a copy of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from blake3 import blake3

from sapwood import models
from sapwood.patch.applying.opening import open_patch
from sapwood.tensors import DType
from support.patch_writer import Parts, parts_of


def digest(data: bytes) -> dict[str, Any]:
    """A file as the header names it."""
    return {
        "size": len(data),
        "blake3": blake3(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def recipe_parts(
    bases: Sequence[bytes],
    target: bytes,
    dtype: DType,
    prediction: dict[str, Any],
    *,
    chunk: int | None = None,
    row: int = 1,
) -> Parts:
    """A patch whose only tensor, all of the target, is predicted without a residual.

    Args:
        bases: whole.
        target: what the prediction is.
        dtype: of its elements.
        prediction: as the index has it.
        chunk: elements a chunk, by default all.
        row: elements a row.
    """
    out = io.BytesIO()
    models.create_patch(b"one", b"another", out)
    parts = parts_of(out.getvalue())
    count = len(target) // dtype.size
    step = (chunk or max(1, count)) * dtype.size
    pieces = [target[at : at + step] for at in range(0, len(target), step)]
    parts.header["bases"] = [digest(one) for one in bases]
    parts.header["target"] = digest(target)
    parts.index["segments"] = [
        {
            "name": "w",
            "dtype": dtype.label,
            "shape": [count],
            "prediction": prediction,
            "row": row,
            "chunk": step // dtype.size,
            "codings": "c" * len(pieces),
            "sizes": [0] * len(pieces),
            "digests": b"".join(blake3(one).digest(16) for one in pieces).hex(),
        }
    ]
    parts.body = b""
    return parts


def round_trip(bases: Sequence[bytes], target: bytes, **options: Any) -> bytes:
    """The patch that leads to the target, applied and compared."""
    out = io.BytesIO()
    models.create_patch(list(bases), target, out, **options)
    assert applied(bases, out.getvalue()) == target
    return out.getvalue()


def predictions(patch: bytes) -> dict[str, Any]:
    """What each tensor is predicted from."""
    front = open_patch(np.frombuffer(patch, np.uint8)).front
    return {one.name: one.prediction for one in front.segments if one.name}


def with_prediction(**fields: Any) -> Callable[[Parts], None]:
    """Changes what the only tensor is predicted from."""
    return lambda parts: parts.segment["prediction"].update(fields)


def retyped(label: str, count: int) -> Callable[[Parts], None]:
    """Changes what the only tensor is."""
    return lambda parts: parts.segment.update(dtype=label, shape=[count], chunk=count)


def applied(bases: Sequence[bytes], patch: bytes) -> bytes:
    """The target."""
    out = io.BytesIO()
    models.apply_patch(list(bases), patch, out, receiving=models.Receiving(threads=1))
    return out.getvalue()
