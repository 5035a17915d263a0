"""Trains adapters on the encoder and merges them, to have real merges to patch.

Six runs of 200 steps, AdamW 5e-4 in f32 from the published weights (encoder.py
says on what): ranks 4, 8 and 16, on the attention matrices and on all linear
layers of the encoder. A starts uniform as PEFT has it (Kaiming with a = sqrt 5),
B starts at zero, and the product is scaled by alpha / rank with alpha 16. For
each run, named for its rank and layers ('r8-all'):

    r8-all/adapter.bf16/, adapter.f32/   the adapter, in PEFT's layout
    r8-all.once.<type>.safetensors       round(base + product): added in f32, then cast
    r8-all.each.<type>.safetensors       round(base + round(product)), added in the type;
                                         in f32 it would be `once`

where base is the published model cast to the type, written too
(base.<type>.safetensors), and the product is scale B A in f32. PEFT 0.21 merges
an adapter of f32 as `once` does, with `safe_merge=True` as `each` does.

    python benchmarks/train_adapters.py OUT_DIR [--only r8-all ...]   (7 minutes a run on one core)

Needs torch, transformers, safetensors and the package that carries the model.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from checkpoints import DTYPES, Weights, cast, read_weights, save, save_each_type
from encoder import SEED, Encoder, LowRank, adapt, model_dir, train_adapters
from peft_adapter import write_adapter

STEPS = 200
RATE = 5e-4
ALPHA = 16
RANKS = (4, 8, 16)
ATTENTION = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
)
# Ends of names in the encoder; 'output.dense' is also the end of the attention's own.
LAYERS = {"attention": ATTENTION, "all": (*ATTENTION, "intermediate.dense", "output.dense")}
# Rank and ends of names, by the name of the run.
RUNS = {f"r{rank}-{label}": (rank, ends) for label, ends in LAYERS.items() for rank in RANKS}


def adapter_layer(linear: torch.nn.Linear, rank: int) -> LowRank:
    a = torch.empty(rank, linear.in_features)
    torch.nn.init.kaiming_uniform_(a, a=math.sqrt(5))
    return LowRank(linear, a, ALPHA / rank)


def trained(path: Path, rank: int, ends: tuple[str, ...]) -> dict[str, LowRank]:
    """The adapters by the name of their layer, trained."""
    torch.manual_seed(SEED)
    encoder = Encoder(path)
    adapters = adapt(
        encoder,
        lambda name: name.endswith(ends),
        lambda linear: adapter_layer(linear, rank),
    )
    train_adapters(encoder, adapters, RATE, STEPS)
    return adapters


def merged(base: Weights, adapters: dict[str, LowRank], *, rounded: bool) -> Weights:
    """The base with the products added.

    Args:
        base: as it is stored, in the type of the merge.
        rounded: round the product to that type before it is added;
            else the sum is left in f32 and whoever saves it rounds once.
    """
    weights = dict(base)
    for name, adapter in adapters.items():
        key, product = f"{name}.weight", adapter.product()
        if rounded:
            weights[key] = base[key] + product.to(base[key].dtype)
        else:
            weights[key] = base[key].float() + product
    return weights


def write_run(
    out: Path, name: str, ends: tuple[str, ...], adapters: dict[str, LowRank], published: Weights
) -> None:
    """The adapter in two types, and what it makes of the base in all three."""
    for label in ("bf16", "f32"):
        write_adapter(
            out / name / f"adapter.{label}",
            {layer: (adapter.a, adapter.b) for layer, adapter in adapters.items()},
            dtype=DTYPES[label],
            alpha=ALPHA,
            targets=ends,
            base="sentence-transformers/all-MiniLM-L6-v2",
        )
    for label, dtype in DTYPES.items():
        base = cast(published, dtype)
        save(out, f"{name}.once", label, merged(base, adapters, rounded=False))
        if label != "f32":
            save(out, f"{name}.each", label, merged(base, adapters, rounded=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder for adapters and merged models")
    parser.add_argument("--only", nargs="+", metavar="RUN", choices=RUNS, help="these runs only")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = model_dir()
    published = read_weights(path / "model.safetensors")
    save_each_type(options.out, "base", published)
    for name in options.only or RUNS:
        rank, ends = RUNS[name]
        print(f"{name}: lr {RATE}", flush=True)
        write_run(options.out, name, ends, trained(path, rank, ends), published)


if __name__ == "__main__":
    main()
