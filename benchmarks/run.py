"""Measures Sapwood and its peers on the same pairs, in turn, and writes JSON.

    python benchmarks/run.py --pairs DIR [--published DIR] --out FILE.json

DIR holds the checkpoints of finetune_encoder.py. For each pair every peer
creates and applies once, in turn, and then again, so that what else the
machine does falls on all of them. Each call has a process of its own. The file
is written after each pair; report.py turns it into a page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from cells import Cell, make_cells
from entropy import residual_entropy
from measure import measured
from pairs import Pair, checkpoint_pairs, published_pairs
from peers import PEERS

HERE = Path(__file__).parent
SPEED_PAIRS = (("dense", "bf16-sft"), ("sparse", "bf16-rl-step"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pairs", type=Path, required=True, help="checkpoints of finetune_encoder.py")
    add("--published", type=Path, help="folder of unpacked packages (the demo's)")
    add("--out", type=Path, required=True, help="JSON file to write")
    add("--only", action="append", metavar="PAIR", help="this pair only (may be repeated)")
    add("--peers", metavar="A,B", help=f"of: {','.join(PEERS)}")
    add("--runs", type=int, default=3, help="rounds; medians are printed (default 3)")
    add("--quick", action="store_true", help="one round, and 60 s a call")
    add("--limit", type=float, default=300, help="seconds that a call may take (default 300)")
    add("--slow", type=float, default=10, help="no further round after one this long")
    add("--work", type=Path, help="folder for temporary files (default: the system's)")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.limit = 1, min(options.limit, 60)
    options.peers = options.peers.split(",") if options.peers else list(PEERS)
    if unknown := set(options.peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def chosen_pairs(options: argparse.Namespace) -> list[Pair]:
    pairs = checkpoint_pairs(options.pairs)
    if options.published:
        pairs += published_pairs(options.published)
    if options.only:
        if unknown := set(options.only) - {pair.key for pair in pairs}:
            raise SystemExit(f"no such pair: {', '.join(sorted(unknown))}")
        pairs = [pair for pair in pairs if pair.key in options.only]
    for pair in pairs:
        for path in (pair.base, pair.target):
            if not path.is_file():
                raise SystemExit(f"{pair.key}: {path} is missing")
    return pairs


def is_threaded(peer: str) -> bool:
    """Asked of each peer once; one that cannot be imported is tried on one core."""
    code = f"import sys; from peers import load_peer; sys.exit(not load_peer({peer!r}).threaded)"
    run = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, check=False)
    return run.returncode == 0


def warm(pair: Pair) -> None:
    """Brings both files into the page cache, so that the first peer does not pay for it."""
    for path in (pair.base, pair.target):
        path.read_bytes()


def measure_pair(
    pair: Pair, options: argparse.Namespace, cores: int, threaded: dict[str, bool]
) -> dict[str, Any]:
    """All peers on one pair, in turn; the result is what JSON takes."""
    entropy = residual_entropy(pair.base, pair.target)
    cells = make_cells(options.peers, cores, threaded)
    copies: dict[int, list[float]] = {1: [], cores: []}
    warm(pair)
    for number in range(options.runs):
        copy_once(pair, options, copies)
        for cell in cells:
            if number == 0 or not cell.done(options.slow):
                with tempfile.TemporaryDirectory(dir=options.work) as work:
                    cell.measure(pair, Path(work), options.limit)
                print(progress(pair, number, cell), flush=True)
    return {
        "key": pair.key,
        "title": pair.title,
        "kind": pair.kind,
        "dtype": pair.dtype,
        "base_bytes": pair.base.stat().st_size,
        "target_bytes": pair.target.stat().st_size,
        "entropy": asdict(entropy) if entropy else None,
        "copy_seconds": {str(n): statistics.median(times) for n, times in copies.items()},
        "cells": [cell.summary() for cell in cells],
    }


def copy_once(pair: Pair, options: argparse.Namespace, copies: dict[int, list[float]]) -> None:
    """The yardstick, on one core and free to choose, as the peers run."""
    for threads, times in copies.items():
        with tempfile.TemporaryDirectory(dir=options.work) as work:
            paths = [Path(work), pair.base, pair.target, Path(work, "copy")]
            times.append(measured("copy", "copy", threads, options.limit, paths).seconds)


def progress(pair: Pair, number: int, cell: Cell) -> str:
    times = ""
    if cell.applies:
        times = (
            f"{cell.patch_bytes:>12,} bytes, create {cell.creates[-1].seconds:8.3f} s"
            f" {cell.creates[-1].anon >> 20:6} MiB, apply {cell.applies[-1].seconds:7.3f} s"
            f" {cell.applies[-1].anon >> 20:6} MiB"
        )
    where = f"{pair.key} round {number + 1} {cell.peer} x{cell.threads}"
    return f"{where:48} {times} {cell.status} {cell.reason}".rstrip()


def codec_speed(pairs: list[Pair], runs: int, cores: int) -> list[dict[str, Any]]:
    """Sapwood between arrays in memory, on a dense and on a sparse pair."""
    found = []
    for label, key in SPEED_PAIRS:
        for pair in (pair for pair in pairs if pair.key == key):
            for threads in sorted({1, cores}):
                command = [sys.executable, str(HERE / "codec_speed.py")]
                command += [str(pair.base), str(pair.target), str(threads), str(max(3, runs))]
                run = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                row: dict[str, Any] = {"label": label, "pair": key, "threads": threads}
                if run.returncode:
                    row["reason"] = (run.stderr.strip().splitlines() or ["no message"])[-1]
                else:
                    row |= json.loads(run.stdout)
                found.append(row)
    return found


def help_seconds(times: int = 9) -> dict[str, Any]:
    """The median time of `sapwood --help`, or the reason why there is none."""
    command = [str(Path(sys.executable).with_name("sapwood")), "--help"]
    if not Path(command[0]).exists():
        return {"reason": "sapwood is not installed"}
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        taken.append(time.perf_counter() - start)
        if run.returncode:
            return {"reason": (run.stderr.strip().splitlines() or ["no message"])[-1]}
    return {"seconds": statistics.median(taken)}


def write(results: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n")
    partial.replace(out)


def main() -> None:
    options = arguments()
    pairs = chosen_pairs(options)
    cores = len(os.sched_getaffinity(0))
    threaded = {peer: is_threaded(peer) for peer in options.peers}
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "settings": {"runs": options.runs, "limit": options.limit, "slow": options.slow},
        "pairs": [],
        "codec_speed": [],
        "help": {},
    }
    if "sapwood" in options.peers:
        results["codec_speed"] = codec_speed(pairs, options.runs, cores)
        results["help"] = help_seconds()
    for pair in pairs:
        results["pairs"].append(measure_pair(pair, options, cores, threaded))
        write(results, options.out)


if __name__ == "__main__":
    main()
