"""Quantises the checkpoints of finetune_encoder.py to GGUF with the `gguf` package.

    python benchmarks/quantise_checkpoints.py --checkpoints DIR --out DIR

Matrices are quantised, all else is f32, as llama.cpp does. The package's own quantisers
write Q8_0, Q4_0, Q5_1 and their like; Q4_K and Q6_K come from kquants.py. Rows that are no
multiple of a block are joined with the next ones first: blocks of 256 need rows of 256.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType

import kquants
from checkpoints import checkpoint, read_weights

TYPES = ("Q8_0", "Q4_0", "Q5_1", "Q4_K", "Q6_K")
NAMES = ("base", "sft-100", "sft-101")
BY_KQUANTS = ("Q4_K", "Q6_K")


def quantised_file(folder: Path, name: str, label: str) -> Path:
    """Where the checkpoint `name` lies, quantised to the type `label`."""
    return folder / f"{name}.{label.lower()}.gguf"


def quantised(weights: np.ndarray, label: str) -> np.ndarray:
    """The blocks of a matrix of f32, (rows, bytes)."""
    block, _ = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[label]]
    rows, columns = weights.shape
    joined = math.lcm(columns, block) // columns
    if rows % joined:
        joined = rows
    matrix = weights.reshape(rows // joined, -1)
    if label in BY_KQUANTS:
        return kquants.quantise(matrix, label)
    return gguf.quants.quantize(matrix, GGMLQuantizationType[label])


def quantise(checkpoints: Path, name: str, label: str, out: Path) -> None:
    """Writes one file."""
    block, _ = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[label]]
    writer = gguf.GGUFWriter(quantised_file(out, name, label), "bert")
    writer.add_name(name)
    for tensor, values in read_weights(checkpoint(checkpoints, name, "f32")).items():
        if not values.is_floating_point():
            continue
        array = values.numpy()
        if array.ndim == 2 and array.size % block == 0:
            blocks = quantised(array, label)
            writer.add_tensor(tensor, blocks, raw_dtype=GGMLQuantizationType[label])
        else:
            writer.add_tensor(tensor, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoints", type=Path, required=True, help="of finetune_encoder.py")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for label in TYPES:
        for name in NAMES:
            quantise(options.checkpoints, name, label, options.out)
            print(quantised_file(options.out, name, label), flush=True)


if __name__ == "__main__":
    main()
