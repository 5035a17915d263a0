"""Adapters in the layout that PEFT reads: a folder with safetensors and a config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

WEIGHTS = "adapter_model.safetensors"


def write_adapter(
    folder: Path,
    factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    *,
    dtype: torch.dtype,
    alpha: float,
    targets: Sequence[str],
    base: str,
) -> None:
    """Writes one adapter.

    Args:
        folder: made where it is missing.
        factors: A (rank x in) and B (out x rank) by the name of the layer.
        dtype: of the factors in the file.
        alpha: the product is scaled by alpha / rank.
        targets: ends of the names of the layers, as PEFT's `target_modules`.
        base: the name of the model that the adapter belongs to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (a, b) in factors.items():
        for label, factor in (("A", a), ("B", b)):
            stored = factor.detach().to(dtype).contiguous()
            tensors[f"base_model.model.{name}.lora_{label}.weight"] = stored
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": len(next(iter(factors.values()))[0]),
        "target_modules": list(targets),
        "task_type": "FEATURE_EXTRACTION",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
