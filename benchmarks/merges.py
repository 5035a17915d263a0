"""The merges that adapters.py measures: each a target and the models that the receiver has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DTYPES = ("bf16", "f16", "f32")
# How the merge rounded: the sum once, or the product (each term) before it too.
ROUNDINGS = {"bf16": ("once", "each"), "f16": ("once", "each"), "f32": ("once",)}
SPOKEN = {"once": "rounded once", "each": "each step rounded"}
LAYERS = {"attention": "attention only", "all": "all linear layers"}
TRAINED, SIMULATED, MODELS = "trained", "simulated", "models"


@dataclass(frozen=True)
class Merge:
    """One merged model.

    Attributes:
        key: what `--only` takes.
        title: what the tables say.
        kind: TRAINED or SIMULATED for adapters, MODELS for merges of whole models.
        bases: what the receiver has; more than one for MODELS.
        adapter: the adapter's file in bf16, or None where there is none.
    """

    key: str
    title: str
    kind: str
    dtype: str
    bases: tuple[Path, ...]
    target: Path
    adapter: Path | None


def adapter_merges(folder: Path) -> Iterator[Merge]:
    """What train_adapters.py wrote into `folder`."""
    for label, layers in LAYERS.items():
        for rank in (4, 8, 16):
            name = f"r{rank}-{label}"
            for dtype, roundings in ROUNDINGS.items():
                for rounding in roundings:
                    yield Merge(
                        f"{name}.{rounding}.{dtype}",
                        f"{dtype}, rank {rank}, {layers}, {SPOKEN[rounding]}",
                        TRAINED,
                        dtype,
                        (folder / f"base.{dtype}.safetensors",),
                        folder / f"{name}.{rounding}.{dtype}.safetensors",
                        _adapter_file(folder / name),
                    )


def simulated_merges(folder: Path) -> Iterator[Merge]:
    """What simulated_merges.py wrote into `folder`."""
    for size in (1024, 2048, 4096):
        for deviation in ("2e-4", "1e-3"):
            name = f"d{size}-{deviation}"
            for dtype in DTYPES if size == 2048 else ("bf16",):
                yield Merge(
                    f"simulated-{name}.{dtype}",
                    f"simulated: {dtype}, d = {size}, rank 16, deviation {deviation}",
                    SIMULATED,
                    dtype,
                    (folder / f"d{size}.base.{dtype}.safetensors",),
                    folder / f"{name}.{dtype}.safetensors",
                    _adapter_file(folder / name),
                )


MODEL_MERGES = (
    ("linear.once", "0.3 a + 0.7 b, rounded once", ("a", "b")),
    ("linear.each", "0.3 a + 0.7 b, each step rounded", ("a", "b")),
    ("slerp.once", "SLERP of a and b, by 0.3", ("a", "b")),
    ("task.once", "task arithmetic, 0.5 and 0.5", ("base", "a", "b")),
    ("task2.once", "task arithmetic, 0.8 and 0.6", ("base", "a", "b")),
)


def model_merges(folder: Path, checkpoints: Path) -> Iterator[Merge]:
    """What merge_models.py wrote into `folder` of sft-200 (a) and lora-200 (b) in `checkpoints`."""
    names = {"base": "base", "a": "sft-200", "b": "lora-200"}
    for dtype in DTYPES:
        for name, title, bases in MODEL_MERGES:
            if name.rpartition(".")[2] in ROUNDINGS[dtype]:
                yield Merge(
                    f"{name}.{dtype}",
                    f"{dtype}, {title}",
                    MODELS,
                    dtype,
                    tuple(checkpoints / f"{names[base]}.{dtype}.safetensors" for base in bases),
                    folder / f"{name}.{dtype}.safetensors",
                    None,
                )


def _adapter_file(folder: Path) -> Path:
    return folder / "adapter.bf16" / "adapter_model.safetensors"
