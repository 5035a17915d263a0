"""The pairs of files that everything is measured on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two versions of one model.

    Attributes:
        key: what `--only` takes.
        title: what the tables say.
        kind: 'fine-tune', 'step', 'lora' or 'published'.
        dtype: of the checkpoint, or '' where the file is not ours.
    """

    key: str
    title: str
    kind: str
    dtype: str
    base: Path
    target: Path


CHECKPOINTS = (
    ("bf16-sft", "bf16, fine-tune of 100 steps", "fine-tune", "base", "sft-100"),
    ("bf16-sft-200", "bf16, from step 100 to step 200", "fine-tune", "sft-100", "sft-200"),
    ("bf16-sft-step", "bf16, one step of fine-tuning", "step", "sft-100", "sft-101"),
    ("bf16-rl-step", "bf16, one step at 1e-6, as in RL", "step", "rl-50", "rl-51"),
    ("bf16-lora", "bf16, merged rank-8 adapter", "lora", "base", "lora-200"),
    ("f16-sft", "f16, fine-tune of 100 steps", "fine-tune", "base", "sft-100"),
    ("f32-sft", "f32, fine-tune of 100 steps", "fine-tune", "base", "sft-100"),
    ("f32-sft-step", "f32, one step of fine-tuning", "step", "sft-100", "sft-101"),
)

PUBLISHED = (
    (
        "speechmos",
        "speechmos, one network against its fine-tune (ONNX)",
        ("speechmos", "0.0.1.1", "dnsmos_models/sig_bak_ovr.onnx"),
        ("speechmos", "0.0.1.1", "pdnsmos_models/sig_bak_ovr.onnx"),
    ),
    (
        "sevenn",
        "sevenn, the same weights in a rewritten container (PyTorch)",
        ("sevenn", "0.9.3.post1", "checkpoint_sevennet_0.pth"),
        ("sevenn", "0.12.1", "checkpoint_sevennet_0.pth"),
    ),
    (
        "silero-vad",
        "silero-vad, a retrained network (ONNX)",
        ("silero-vad", "6.0.0", "silero_vad.onnx"),
        ("silero-vad", "6.2.1", "silero_vad.onnx"),
    ),
    (
        "rapidocr",
        "rapidocr-onnxruntime, unrelated networks (ONNX)",
        ("rapidocr-onnxruntime", "1.2.13", "ch_PP-OCRv3_rec_infer.onnx"),
        ("rapidocr-onnxruntime", "1.4.4", "ch_PP-OCRv4_rec_infer.onnx"),
    ),
)


def checkpoint_pairs(folder: Path) -> list[Pair]:
    """The fine-tunes that finetune_encoder.py wrote into `folder`."""
    found = []
    for key, title, kind, base, target in CHECKPOINTS:
        dtype = key.partition("-")[0]
        paths = [folder / f"{name}.{dtype}.safetensors" for name in (base, target)]
        found.append(Pair(key, title, kind, dtype, *paths))
    return found


def published_pairs(folder: Path) -> list[Pair]:
    """The pairs whose publishers' packages lie below `folder`, unpacked.

    A file is found by the end of its path, below any folder whose name holds
    the package and the version ('silero_vad-6.0.0-py3-none-any', 'sevenn/0.12.1').
    """
    return [
        Pair(key, title, "published", "", _published(folder, *base), _published(folder, *target))
        for key, title, base, target in PUBLISHED
    ]


def _published(folder: Path, package: str, version: str, end: str) -> Path:
    named = re.compile(rf"(^|[/-]){re.escape(package)}[/-](.*[/-])?{re.escape(version)}([/-]|$)")
    for path in sorted(folder.rglob(Path(end).name)):
        place = path.relative_to(folder).as_posix()
        if place.endswith("/" + end) and named.search(place.replace("_", "-").lower()):
            return path
    return folder / f"{package}-{version}" / end  # absent, and named as such in the error
