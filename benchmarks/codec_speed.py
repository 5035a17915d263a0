"""Speed of the codec alone: arrays in memory, no files, one core or several.

    python benchmarks/codec_speed.py BASE TARGET THREADS RUNS

Takes the bf16 tensors of two safetensors files as one array, creates a patch
and applies it into memory that the caller owns, and prints the median seconds
as JSON. The first round warms up and is not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np

import sapwood
from safetensors_layout import tensor_places


def weights(path: Path) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    """All bf16 tensors of a file one after the other, of shape (count,)."""
    data = path.read_bytes()
    parts = [
        np.frombuffer(data, "<u2", (place.end - place.begin) // 2, place.begin)
        for place in tensor_places(data)
        if place.dtype == "BF16"
    ]
    return np.concatenate(parts).view(ml_dtypes.bfloat16)


def main() -> None:
    base, target = (weights(Path(argument)) for argument in sys.argv[1:3])
    threads, runs = int(sys.argv[3]), int(sys.argv[4])
    if threads == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out = np.zeros_like(base)
    create, apply = [], []
    for _ in range(runs + 1):
        start = time.perf_counter()
        patch = sapwood.create_patch(base, target, threads=threads)
        made = time.perf_counter()
        sapwood.apply_patch(base, patch, out=out, threads=threads)
        apply.append(time.perf_counter() - made)
        create.append(made - start)
    if not np.array_equal(out.view(np.uint16), target.view(np.uint16)):
        raise SystemExit("the applied patch is not the target")
    result = {
        "bytes": target.nbytes,
        "patch_bytes": len(patch.to_bytes()),
        "create_seconds": statistics.median(create[1:]),
        "apply_seconds": statistics.median(apply[1:]),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
