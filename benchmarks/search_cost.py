"""What Sapwood's search for low-rank updates costs where there is little or nothing to find.

A pair is created with the search and without, in turn, each time in a fresh
process on one core; who goes first changes from round to round.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from measure import Call, measured
from pairs import Pair, checkpoint_pairs

PAIRS = ("bf16-sft", "bf16-rl-step", "f16-sft", "f32-sft")
WITH, WITHOUT = "sapwood", "sapwood-plain"


def created(pair: Pair, peer: str, limit: float, folder: Path | None) -> tuple[Call, int]:
    """One call, and the bytes of its patch."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        patch = Path(work, "patch")
        call = measured(peer, "create", 1, limit, [Path(work), pair.base, pair.target, patch])
        return call, patch.stat().st_size


def pair_cost(pair: Pair, runs: int, limit: float, folder: Path | None) -> dict[str, Any]:
    """The row of one pair, as JSON takes it: all times, their medians, sizes and memory."""
    calls: dict[str, list[Call]] = {WITH: [], WITHOUT: []}
    sizes = {}
    for number in range(runs):
        for peer in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
            call, sizes[peer] = created(pair, peer, limit, folder)
            calls[peer].append(call)
    row: dict[str, Any] = {"key": pair.key, "title": pair.title, "runs": runs}
    for peer, label in ((WITH, "with"), (WITHOUT, "without")):
        seconds = [call.seconds for call in calls[peer]]
        row[f"{label}_seconds"] = statistics.median(seconds)
        row[f"{label}_all_seconds"] = seconds
        row[f"{label}_bytes"] = sizes[peer]
        row[f"{label}_anon"] = max(call.anon for call in calls[peer])
    return row


def search_cost(
    checkpoints: Path, runs: int, limit: float, folder: Path | None
) -> list[dict[str, Any]]:
    """The rows of PAIRS, whose files finetune_encoder.py wrote into `checkpoints`.

    Raises:
        CallFailed: a call did not end well, or not within `limit` seconds.
    """
    rows = []
    for pair in checkpoint_pairs(checkpoints):
        if pair.key in PAIRS:
            rows.append(pair_cost(pair, runs, limit, folder))
            ratio = rows[-1]["with_seconds"] / rows[-1]["without_seconds"]
            print(f"{pair.key}: {ratio:.3f} times as long with the search", flush=True)
    return rows
