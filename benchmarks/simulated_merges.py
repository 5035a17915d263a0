"""Simulated merges of adapters: made weights, in sizes that the encoder does not have.

Each pair is one matrix of d x d: the base normal with deviation 0.02, cast; the
target `round(base + B A)`, the sum in f32, with A and B normal in f32, of rank
16, scaled so that B A has the deviation given. For d = 1024, 2048 and 4096 and
deviations 2e-4 and 1e-3, in bf16; at 2048 also in f16 and f32:

    d2048.base.<type>.safetensors           the base
    d2048-1e-3.<type>.safetensors           the target
    d2048-1e-3/adapter.bf16/                the adapter, in PEFT's layout

    python benchmarks/simulated_merges.py OUT_DIR

Needs torch and safetensors. Nothing here is a trained model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from checkpoints import DTYPES, cast, save
from peft_adapter import write_adapter

RANK = 16
SIZES = (1024, 2048, 4096)
ALL_TYPES = 2048  # the size that is made in f16 and f32 too
BASE_DEVIATION = 0.02
DEVIATIONS = ("2e-4", "1e-3")  # of B A
LAYER = "layer"


def write_pairs(out: Path, size: int, deviation: str) -> None:
    """One base and one target of `size` in every type asked for, and the adapter."""
    random = torch.Generator().manual_seed(size)
    weights = torch.randn(size, size, generator=random) * BASE_DEVIATION
    a = torch.randn(RANK, size, generator=random)
    # The entries of B A are sums of RANK products of unit normals: their deviation is sqrt(RANK).
    b = torch.randn(size, RANK, generator=random) * (float(deviation) / RANK**0.5)
    name = f"d{size}-{deviation}"
    for label in DTYPES if size == ALL_TYPES else ("bf16",):
        base = cast({f"{LAYER}.weight": weights}, DTYPES[label])
        save(out, f"d{size}.base", label, base)
        target = {key: weight.float() + b @ a for key, weight in base.items()}
        save(out, name, label, target)
    write_adapter(
        out / name / "adapter.bf16",
        {LAYER: (a, b)},
        dtype=torch.bfloat16,
        alpha=RANK,
        targets=(LAYER,),
        base="simulated",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder for the pairs")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        for deviation in DEVIATIONS:
            write_pairs(out, size, deviation)


if __name__ == "__main__":
    main()
