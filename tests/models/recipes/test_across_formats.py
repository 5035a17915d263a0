"""From any file to any other: the target comes back, and no patch is larger than the file alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sapwood.content.zstd import compress
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import CastEntry, QuantiseEntry
from sapwood.tensors import DType
from support.model_files import safetensors_file
from support.recipe_patches import predictions, round_trip
from support.requantised_files import blocks_of, gguf_file
from support.strategies import numpy_type

BF16 = numpy_type(DType.BF16)
Array = npt.NDArray[Any]
Model = Mapping[str, Array]


@cache
def model(seed: int) -> Model:
    """A few matrices and many small tensors."""
    rng = np.random.default_rng(seed)
    matrices = {f"layers.{i}.mlp.weight": rng.standard_normal((96, 256)) * 0.02 for i in range(4)}
    norms = {f"layers.{i}.norm.weight": 1 + 0.01 * rng.standard_normal(64) for i in range(6)}
    biases = {f"layers.{i}.bias": np.zeros(64) for i in range(6)}
    return {name: one.astype("<f4") for name, one in (matrices | norms | biases).items()}


def typed(tensors: Model, dtype: Any) -> Model:
    return {name: one.astype(dtype) for name, one in tensors.items()}


def as_int8(tensors: Model) -> Model:
    """Each tensor as int8 with a scale."""
    found = {}
    for name, one in tensors.items():
        wide = one.astype("<f4")
        scale = np.abs(wide).max() / 127 or 1.0
        found[name] = np.round(wide / scale).astype(np.int8)
        found[f"{name}.scale"] = np.array([scale], "<f4")
    return found


def as_gguf(tensors: Model, kind: str) -> bytes:
    """Matrices in blocks of a type, all else as f32."""
    placed = {}
    for i, one in enumerate(tensors.values()):
        blocks = one.ndim == 2 and kind != "f32"
        data = blocks_of(kind, DType.F32, one.tobytes()) if blocks else one.tobytes()
        placed[f"blk.{i}"] = (kind if blocks else "f32", one.shape, data)
    return gguf_file(placed)


def as_npz(tensors: Model) -> bytes:
    out = io.BytesIO()
    named: dict[str, Any] = dict(tensors)
    np.savez(out, **named)
    return out.getvalue()


def as_pytorch(tensors: Model) -> bytes:
    out = io.BytesIO()
    torch.save({name: torch.from_numpy(one.copy()) for name, one in tensors.items()}, out)
    return out.getvalue()


def files(seed: int) -> dict[str, Callable[[], bytes]]:
    """A model in every format and type."""
    wide = model(seed)
    half = typed(wide, np.float16)
    return {
        "safetensors f32": lambda: safetensors_file(wide),
        "safetensors f64": lambda: safetensors_file(typed(wide, np.float64)),
        "safetensors bf16": lambda: safetensors_file(typed(wide, BF16)),
        "safetensors f16": lambda: safetensors_file(half),
        "safetensors int8": lambda: safetensors_file(as_int8(half)),
        "GGUF f32": lambda: as_gguf(wide, "f32"),
        "GGUF Q8_0": lambda: as_gguf(wide, "q8_0"),
        "GGUF Q4_0": lambda: as_gguf(wide, "q4_0"),
        "npz f32": lambda: as_npz(wide),
        "npz f16": lambda: as_npz(half),
        "npz int8": lambda: as_npz(as_int8(half)),
        "PyTorch f16": lambda: as_pytorch(half),
        "PyTorch int8": lambda: as_pytorch(as_int8(wide)),
    }


OTHERS: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"".join(b"line %d of a file of no model\n" % i for i in range(3000)),
    "noise": lambda: np.random.default_rng(5).bytes(100_000),
    "zeros": lambda: bytes(100_000),
    "nothing": lambda: b"",
}
MODELS = files(1)
TARGETS = MODELS | OTHERS
ANOTHER = ("safetensors f32", "GGUF Q8_0", "PyTorch int8")
BASES = TARGETS | {f"another model, {name}": files(2)[name] for name in ANOTHER}
FRAME = 32  # bytes that a frame more takes, for each chunk of 4 MiB but the first


def assert_no_larger_than_alone(bases: list[bytes], target: bytes, **options: Any) -> bytes:
    patch = round_trip(bases, target, **options)
    front = open_patch(np.frombuffer(patch, np.uint8)).front
    frames = (len(target) >> 22) * FRAME
    assert len(patch) <= len(compress(target, 3)) + front.size + frames
    return patch


@pytest.mark.parametrize("target", TARGETS)
def test_no_patch_is_larger_than_the_file_alone(target: str) -> None:
    wanted = TARGETS[target]()
    for base in BASES.values():
        assert_no_larger_than_alone([base()], wanted, threads=2)


@pytest.mark.parametrize("target", ["safetensors bf16", "GGUF Q8_0", "npz int8", "text"])
def test_nor_from_several_bases(target: str) -> None:
    bases = [MODELS["PyTorch f16"](), MODELS["safetensors f32"](), b"nothing of the kind"]
    assert_no_larger_than_alone(bases, TARGETS[target]())


def test_tensors_whose_middle_is_not_like_the_rest_are_no_larger_either() -> None:
    padded = np.zeros((4096, 300), "<f4")
    padded[1500:2500] = np.random.default_rng(3).standard_normal((1000, 300))
    target = safetensors_file({"w": padded})
    assert_no_larger_than_alone([MODELS["safetensors f32"]()], target)


def halves() -> Model:
    """What f16 holds of the model."""
    return typed(model(1), np.float16)


CONVERTED: dict[str, tuple[Callable[[], bytes], Callable[[], bytes], type]] = {
    "safetensors f32 to bf16": (MODELS["safetensors f32"], MODELS["safetensors bf16"], CastEntry),
    "safetensors f64 to f16": (MODELS["safetensors f64"], MODELS["safetensors f16"], CastEntry),
    "safetensors f16 to GGUF f32": (
        MODELS["safetensors f16"],
        lambda: as_gguf(typed(halves(), "<f4"), "f32"),
        CastEntry,
    ),
    "PyTorch f16 to safetensors bf16": (
        MODELS["PyTorch f16"],
        lambda: safetensors_file(typed(halves(), BF16)),
        CastEntry,
    ),
    "GGUF f32 to safetensors f16": (MODELS["GGUF f32"], MODELS["safetensors f16"], CastEntry),
    "safetensors f32 to npz f16": (MODELS["safetensors f32"], MODELS["npz f16"], CastEntry),
    "safetensors f32 to PyTorch f16": (MODELS["safetensors f32"], MODELS["PyTorch f16"], CastEntry),
    "safetensors f32 to Q8_0": (MODELS["safetensors f32"], MODELS["GGUF Q8_0"], QuantiseEntry),
    "safetensors f32 to Q4_0": (MODELS["safetensors f32"], MODELS["GGUF Q4_0"], QuantiseEntry),
    "npz f32 to Q8_0": (MODELS["npz f32"], MODELS["GGUF Q8_0"], QuantiseEntry),
}


@pytest.mark.parametrize("about", CONVERTED)
def test_a_conversion_is_found_across_formats(about: str) -> None:
    base, target, kind = CONVERTED[about]
    wanted = target()
    patch = assert_no_larger_than_alone([base()], wanted)
    assert kind in map(type, predictions(patch).values())
    assert len(patch) < 0.1 * len(wanted)
