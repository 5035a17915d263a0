"""Speed of the codec alone: arrays in memory, no files, one core or several.

    python benchmarks/codec_speed.py BASE TARGET THREADS RUNS

Takes the bf16 matrices of two safetensors files that have the most common row
length as one matrix, creates a patch and applies it into memory that the caller
owns, and prints the median seconds as JSON. `decode` is the chunks alone, residual
decoded and applied to the base; `apply` checks the digests of base, chunks and
result as well. The first round warms up and is not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np

import sapwood
from safetensors_layout import tensor_places
from sapwood.content.content import Bytes
from sapwood.patch.applying.decoding import chunk_jobs, decode_job


def weights(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.generic]]:
    """The bf16 matrices of a file with rows of the most common length, stacked."""
    data = path.read_bytes()
    places = [p for p in tensor_places(data) if p.dtype == "BF16" and len(p.shape) == 2]
    ((columns, _),) = Counter(p.shape[1] for p in places).most_common(1)
    parts = [
        np.frombuffer(data, "<u2", (p.end - p.begin) // 2, p.begin).reshape(-1, columns)
        for p in places
        if p.shape[1] == columns
    ]
    return np.concatenate(parts).view(ml_dtypes.bfloat16)


def decode_all(patch: sapwood.Patch, base: Bytes, out: Bytes) -> None:
    """Decodes every chunk, one after the other, without comparing digests."""
    opened = patch.opened
    for job in chunk_jobs(opened, opened.front.segments, [base]):
        stretches = job.predictor.read([base], job.begin, job.end)
        decode_job(job, opened, stretches, base, out[job.begin : job.end])


def main() -> None:
    base, target = (weights(Path(argument)) for argument in sys.argv[1:3])
    threads, runs = int(sys.argv[3]), int(sys.argv[4])
    if threads == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out = np.zeros_like(base)
    create, apply, alone = [], [], []
    bytes_of = (base.view(np.uint8).reshape(-1), out.view(np.uint8).reshape(-1))
    for _ in range(runs + 1):
        start = time.perf_counter()
        patch = sapwood.create_patch(base, target, threads=threads)
        made = time.perf_counter()
        sapwood.apply_patch(base, patch, out=out, threads=threads)
        applied = time.perf_counter()
        decode_all(patch, *bytes_of)
        alone.append(time.perf_counter() - applied)
        apply.append(applied - made)
        create.append(made - start)
    if not np.array_equal(out.view(np.uint16), target.view(np.uint16)):
        raise SystemExit("the applied patch is not the target")
    result = {
        "bytes": target.nbytes,
        "patch_bytes": len(patch.to_bytes()),
        "create_seconds": statistics.median(create[1:]),
        "apply_seconds": statistics.median(apply[1:]),
        "decode_seconds": statistics.median(alone[1:]),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
