"""Checkpoints of the benchmarks' own: safetensors, one file for each element type."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}

Weights = dict[str, torch.Tensor]


def cast(weights: Weights, dtype: torch.dtype) -> Weights:
    """Floats rounded to nearest even; what is no float stays."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in weights.items()}


def checkpoint(folder: Path, name: str, label: str) -> Path:
    """Where the checkpoint `name` lies in the element type `label`."""
    return folder / f"{name}.{label}.safetensors"


def save(out: Path, name: str, label: str, weights: Weights) -> None:
    """Writes one checkpoint, cast to the element type `label`."""
    stored = {k: v.contiguous() for k, v in cast(weights, DTYPES[label]).items()}
    save_file(stored, checkpoint(out, name, label), metadata={"format": "pt"})


def save_each_type(out: Path, name: str, weights: Weights) -> None:
    for label in DTYPES:
        save(out, name, label, weights)


def read_weights(path: Path) -> Weights:
    """The tensors of a safetensors file, in the order of its header."""
    with safe_open(path, "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (not a dict)
