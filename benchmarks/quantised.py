"""Measures Sapwood and its peers on fine-tunes that were quantised to GGUF, and writes JSON.

    python benchmarks/quantised.py --quantised DIR --out docs/gguf.json

DIR is that of quantise_checkpoints.py. Every call has a process of its own, on one core.
report.py makes a section of its page of the file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import machine
from cells import Cell, is_whole
from pairs import Pair
from peers import PEERS, VARIANTS
from quantise_checkpoints import TYPES, quantised_file
from run import write

MEASURED = ("sapwood", "xor-zstd", "xor-zstd-19", "zstd-patch-from-19", "xdelta3", "bsdiff4",
            "hdiffpatch")  # fmt: skip
STEPS = (
    ("sft", "a fine-tune of 100 steps", "base", "sft-100"),
    ("sft-step", "one step of fine-tuning", "sft-100", "sft-101"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quantised", type=Path, required=True, help="folder of quantise_checkpoints.py")
    add("--out", type=Path, required=True, help="JSON file to write")
    add("--peers", metavar="A,B", help=f"by default {','.join(MEASURED)}")
    add("--runs", type=int, default=3, help="rounds; medians are printed (default 3)")
    add("--slow", type=float, default=10, help="no further round after one this long")
    add("--limit", type=float, default=300, help="seconds that a call may take (default 300)")
    add("--work", type=Path, help="folder for temporary files (default: the system's)")
    options = parser.parse_args()
    options.peers = options.peers.split(",") if options.peers else list(MEASURED)
    if unknown := set(options.peers) - set(PEERS | VARIANTS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def quantised_pairs(folder: Path) -> list[Pair]:
    """The pairs of each type that were quantised into `folder`."""
    found = []
    for label in TYPES:
        for key, title, base, target in STEPS:
            paths = [quantised_file(folder, name, label) for name in (base, target)]
            name = f"{label.lower()}-{key}"
            found.append(Pair(name, f"{label}, {title}", "gguf", label.lower(), *paths))
    return found


def measure_pair(pair: Pair, options: argparse.Namespace) -> dict[str, Any]:
    """All peers on one pair, in turn; the result is what JSON takes."""
    cells = [Cell(peer, threads=1) for peer in options.peers]
    for number in range(options.runs):
        for cell in cells:
            if number == 0 or not cell.done(options.slow):
                with tempfile.TemporaryDirectory(dir=options.work) as work:
                    cell.measure(pair, Path(work), options.limit)
                print(f"{pair.key:16} {number} {cell.peer:20} {cell.patch_bytes:>12,} bytes "
                      f"{cell.status} {cell.reason}", flush=True)  # fmt: skip
    whole = [cell.summary() for cell in cells]
    return {
        "key": pair.key,
        "title": pair.title,
        "dtype": pair.dtype,
        "target_bytes": pair.target.stat().st_size,
        "cells": [*filter(is_whole, whole), *(one for one in whole if not is_whole(one))],
    }


def main() -> None:
    options = arguments()
    pairs = quantised_pairs(options.quantised)
    for pair in pairs:
        for path in (pair.base, pair.target):
            if not path.is_file():
                raise SystemExit(f"{pair.key}: {path} is missing")
    results: dict[str, Any] = {"machine": machine.describe(), "runs": options.runs, "pairs": []}
    for pair in pairs:
        results["pairs"].append(measure_pair(pair, options))
        write(results, options.out)


if __name__ == "__main__":
    main()
