"""Model files for tests: safetensors written by hand, weights to fill them, and the round trip."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sapwood import models
from sapwood.models import PatchStats
from sapwood.tensors.dtypes import DType
from support.strategies import NUMPY_TYPES

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

LABELS = {np.dtype(kind): dtype.name for dtype, kind in NUMPY_TYPES.items()}
FRONT = 2048  # bytes; a patch of a few segments has a shorter front


def safetensors_file(
    tensors: Tensors,
    metadata: Mapping[str, str] | None = None,
    *,
    order: Sequence[str] | None = None,
    padding: int = 0,
    hole: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A safetensors file, more freely laid out than the library would do it.

    Args:
        tensors: in the order in which their bytes lie.
        metadata: of the header.
        order: of the names in the header; that of the bytes by default.
        padding: spaces after the header.
        hole: bytes before each tensor that belong to none.
        tail: bytes after the last.
    """
    header: dict[str, Any] = {}
    data = bytearray()
    for name, array in tensors.items():
        data += hole
        span = [len(data), len(data) + array.nbytes]
        header[name] = {
            "dtype": LABELS[array.dtype],
            "shape": list(array.shape),
            "data_offsets": span,
        }
        data += array.tobytes()
    listed: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    listed |= {name: header[name] for name in (order or header)}
    return with_header(listed, bytes(data) + tail, padding)


def npy_file(array: npt.ArrayLike, version: tuple[int, int] | None = None) -> bytes:
    """A .npy file as NumPy writes it, of the version of the format that is asked for."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version)
    return out.getvalue()


def with_header(header: Mapping[str, Any], data: bytes, padding: int = 0) -> bytes:
    """The length, the header as JSON, and the data."""
    text = json.dumps(header, separators=(",", ":")).encode() + b" " * padding
    return len(text).to_bytes(8, "little") + text + data


def weights(seed: int, shape: tuple[int, ...], dtype: DType = DType.BF16) -> Array:
    """Values that are distributed as a model's."""
    drawn = np.asarray(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))
    if dtype.family == "float":
        return np.asarray(drawn * 0.02).astype(NUMPY_TYPES[dtype])
    return np.asarray(drawn * 20).astype(np.int64).astype(NUMPY_TYPES[dtype])


def tuned(array: Array, seed: int, size: float = 2e-4) -> Array:
    """The same weights after a little training: nearly all of them changed a little."""
    step = np.random.default_rng(seed).standard_normal(array.shape, dtype=np.float32)
    return (array.astype(np.float32) + size * step).astype(array.dtype)


def layer(seed: int) -> dict[str, Array]:
    """The tensors of one layer, by the ends of their names."""
    return {
        "attention.weight": weights(10 * seed, (64, 64)),
        "mlp.weight": weights(10 * seed + 1, (64, 128)),
        "norm.weight": 1 + weights(10 * seed + 2, (64,), DType.F32),
    }


def stacked(layers: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """A model of layers, numbered in order, behind an embedding."""
    found = {"embedding": weights(7, (256, 64))}
    for i, tensors in enumerate(layers):
        found |= {f"layers.{i}.{end}": array for end, array in tensors.items()}
    return found


def patched(base: bytes, target: bytes, **options: Any) -> tuple[bytes, PatchStats]:
    """A patch that was applied and led to the target, and what making it came to."""
    out = io.BytesIO()
    stats = models.create_patch(base, target, out, **options)
    patch = out.getvalue()
    assert stats.patch_size == len(patch)
    assert (stats.source_size, stats.target_size) == (len(base), len(target))
    made = io.BytesIO()
    result = models.apply_patch(base, patch, made)
    assert made.getvalue() == target
    assert result.is_valid()
    assert result.actual_target == result.expected_target
    return patch, stats
