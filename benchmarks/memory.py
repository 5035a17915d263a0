"""The memory of `sapwood create` and `sapwood apply` on a pair larger than memory allows.

    python benchmarks/memory.py --folder DIR [--gib 4] [--out docs/memory.json]

Makes a safetensors pair of many bf16 matrices (normal, deviation 0.02; the
target is the base with small normal updates) in bounded memory, runs the
commands, and samples their RssAnon every 20 ms. What `sapwood --help` needs is
subtracted. Needs 3.1 times the size on disk; the folder is emptied of what was
made. Times are of this run alone.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resident import PeakSampler

SHAPE = (4096, 4096)  # of each matrix, 32 MiB in bf16
ROWS = 256  # made at a time
DEVIATION = 0.02  # of the weights
UPDATE = 2e-5  # of the updates, as 100 steps at 2e-5 leave them
MIB = 1 << 20
INTERVAL = 0.02  # seconds between two samples


@dataclass(frozen=True)
class Run:
    """One command: its highest sample of RssAnon in bytes, and how long it took."""

    anon: int
    seconds: float


def to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Rounds to nearest even; the values are finite."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bf16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def header(count: int) -> bytes:
    size = SHAPE[0] * SHAPE[1] * 2
    entries = {
        f"layers.{i:04}.weight": {
            "dtype": "BF16", "shape": SHAPE, "data_offsets": [i * size, (i + 1) * size]
        }
        for i in range(count)
    }  # fmt: skip
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def make_pair(base: Path, target: Path, count: int) -> None:
    """Writes both files a few rows at a time."""
    random = np.random.default_rng(2)
    with base.open("wb") as base_file, target.open("wb") as target_file:
        for file in (base_file, target_file):
            file.write(header(count))
        for _ in range(count * SHAPE[0] // ROWS):
            weights = random.standard_normal((ROWS, SHAPE[1]), np.float32) * DEVIATION
            bits = to_bf16(weights)
            update = random.standard_normal((ROWS, SHAPE[1]), np.float32) * UPDATE
            base_file.write(bits.data)
            target_file.write(to_bf16(from_bf16(bits) + update.astype(np.float32)).data)


def sampled(*arguments: str | Path) -> Run:
    """Runs `sapwood` with these arguments.

    Raises:
        SystemExit: the command failed; its own message was printed.
    """
    command = [sys.executable, "-m", "sapwood", *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with PeakSampler(process.pid, INTERVAL) as sampler:
        code = process.wait()
    if code:
        raise SystemExit(f"'{' '.join(command[1:])}' ended with {code}")
    return Run(sampler.peak.anon, time.perf_counter() - start)


def measure(folder: Path, count: int) -> dict[str, object]:
    base, target = folder / "base.safetensors", folder / "target.safetensors"
    patch, out = folder / "patch", folder / "out.safetensors"
    print(f"making {count} matrices of {SHAPE[0]} x {SHAPE[1]} in bf16, twice", flush=True)
    make_pair(base, target, count)
    # The bare command is over in a tenth of a second; the highest of a few is its peak.
    bare = max(sampled("--help").anon for _ in range(5))
    create = sampled("create", "--base", base, "--target", target, "--out", patch)
    apply = sampled("apply", "--base", base, "--patch", patch, "--out", out)
    return {
        "target_bytes": target.stat().st_size,
        "patch_bytes": patch.stat().st_size,
        "exact": filecmp.cmp(target, out, shallow=False),
        "bare_anon": bare,
        **{
            verb: {
                "anon_peak": run.anon,
                "anon_over_bare": run.anon - bare,
                "seconds": run.seconds,
            }
            for verb, run in (("create", create), ("apply", apply))
        },
    }


def show(found: dict[str, object]) -> None:
    print(f"target {found['target_bytes']:,} bytes, patch {found['patch_bytes']:,} bytes, "
          f"came back {'exact' if found['exact'] else 'WRONG'}")  # fmt: skip
    print(f"{'command':10} {'RssAnon MiB':>12} {'over bare MiB':>14} {'seconds':>9}")
    for verb in ("create", "apply"):
        run = found[verb]
        assert isinstance(run, dict)
        print(f"{verb:10} {run['anon_peak'] / MIB:12.0f} {run['anon_over_bare'] / MIB:14.0f} "
              f"{run['seconds']:9.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where there is room")
    parser.add_argument("--gib", type=float, default=4, help="size of each file (default 4)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    count = max(1, round(options.gib * (1 << 30) / (SHAPE[0] * SHAPE[1] * 2)))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder), count)
    show(found)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
