"""Folders for tests: written from and read into a mapping of paths to bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from support.model_files import Array, safetensors_file, tuned

Tree = Mapping[str, bytes]


def write_tree(root: Path, files: Tree) -> Path:
    """Writes a folder that is not there yet."""
    root.mkdir()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def read_tree(root: Path) -> dict[str, bytes]:
    """All files below a folder, by their paths from it."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def names_below(root: Path) -> set[str]:
    """Everything below a folder, links and folders too."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def layers(count: int, seed: int = 0, rows: int = 64) -> dict[str, Array]:
    """The tensors of a model, in f16."""
    rng = np.random.default_rng(seed)
    return {
        f"model.layers.{i}.{part}.weight": rng.normal(0, 0.02, (rows, 64)).astype(np.float16)
        for i in range(count)
        for part in ("q", "k", "v", "o")
    }


def fine_tuned(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The same model, every weight moved a little."""
    return {name: tuned(array, i) for i, (name, array) in enumerate(tensors.items())}


def tokenizer(entries: int = 20_000) -> bytes:
    """Some hundred kilobytes of JSON."""
    vocabulary = {f"tok{i * 7919 % 99991}": i for i in range(entries)}
    return json.dumps({"version": "1.0", "model": {"vocab": vocabulary}}).encode()


def repository(tensors: Mapping[str, Array], shards: int, words: int = 20_000) -> dict[str, bytes]:
    """A model as it is published: shards, their index, configuration and tokenizer."""
    names = list(tensors)
    each = -(-len(names) // shards)
    files = {
        "config.json": json.dumps({"model_type": "test", "layers": len(names) // 4}).encode(),
        "tokenizer.json": tokenizer(words),
        "README.md": b"# A model\n" * 20,
    }
    places: dict[str, str] = {}
    for i in range(shards):
        own = {name: tensors[name] for name in names[i * each : (i + 1) * each]}
        path = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        files[path] = safetensors_file(own, {"format": "pt"})
        places |= dict.fromkeys(own, path)
    total = sum(array.nbytes for array in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    files["model.safetensors.index.json"] = json.dumps(index, indent=2).encode()
    return files
