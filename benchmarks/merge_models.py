"""Merges two fine-tunes without an adapter, to have merges of whole models to patch.

    python benchmarks/merge_models.py CHECKPOINTS OUT_DIR [--a sft-200] [--b lora-200]

CHECKPOINTS holds what finetune_encoder.py wrote. For each element type, with a
and b read in that type:

    linear.once   0.3 a + 0.7 b in f32, then cast
    linear.each   the same in the type itself, rounded after each operation, as
                  torch does; in f32 it would be `once`
    slerp.once    spherical between each pair of tensors, from b to a by 0.3, in f32, then cast
    task.once     base + 0.5 (a - base) + 0.5 (b - base) in f32, then cast; the base cancels out
    task2.once    base + 0.8 (a - base) + 0.6 (b - base), where it does not

Needs torch and safetensors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from checkpoints import DTYPES, Weights, checkpoint, read_weights, save

SHARE = 0.3  # of a; b has the rest
LEAST_SINE = 1e-6  # of the angle between two tensors; below it they are one direction

# Called with a, b and the base, each a tensor of floats.
Merge = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def linear(a: torch.Tensor, b: torch.Tensor, _base: torch.Tensor) -> torch.Tensor:
    return SHARE * a + (1 - SHARE) * b


def slerp(a: torch.Tensor, b: torch.Tensor, _base: torch.Tensor) -> torch.Tensor:
    """Along the arc between the directions of b and a; the angle is taken in f64."""
    wide_a, wide_b = a.double().flatten(), b.double().flatten()
    cosine = wide_a @ wide_b / (wide_a.norm() * wide_b.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    sine = angle.sin().item()
    if not sine > LEAST_SINE:  # a tensor of zeros has no angle
        return SHARE * a + (1 - SHARE) * b
    of_a = (SHARE * angle).sin().item() / sine
    of_b = ((1 - SHARE) * angle).sin().item() / sine
    return of_a * a + of_b * b


def task_arithmetic(of_a: float, of_b: float) -> Merge:
    return lambda a, b, base: base + of_a * (a - base) + of_b * (b - base)


IN_F32: dict[str, Merge] = {
    "linear": linear,
    "slerp": slerp,
    "task": task_arithmetic(0.5, 0.5),
    "task2": task_arithmetic(0.8, 0.6),
}


def merged(merge: Merge, a: Weights, b: Weights, base: Weights, *, wide: bool) -> Weights:
    """Every tensor of floats merged, in f32 if `wide`, else in its own type."""
    result = dict(base)
    for key, weight in base.items():
        if weight.is_floating_point():
            parts = [model[key].float() if wide else model[key] for model in (a, b, base)]
            result[key] = merge(*parts)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, help="the folder of finetune_encoder.py")
    parser.add_argument("out", type=Path, help="the folder for the merged models")
    parser.add_argument("--a", default="sft-200", help="the first model (default sft-200)")
    parser.add_argument("--b", default="lora-200", help="the second model (default lora-200)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for label in DTYPES:
        a, b, base = (
            read_weights(checkpoint(options.checkpoints, name, label))
            for name in (options.a, options.b, "base")
        )
        for name, merge in IN_F32.items():
            save(options.out, f"{name}.once", label, merged(merge, a, b, base, wide=True))
        if label != "f32":
            save(options.out, "linear.each", label, merged(linear, a, b, base, wide=False))


if __name__ == "__main__":
    main()
