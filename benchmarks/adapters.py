"""Measures Sapwood and its peers on merged adapters and merged models, and writes JSON.

    python benchmarks/adapters.py --out docs/adapters.json [--adapters DIR] [--simulated DIR]
        [--merges DIR --checkpoints DIR]

The folders are those of train_adapters.py, simulated_merges.py, merge_models.py
and finetune_encoder.py; what is not named is not measured. With --checkpoints
it also measures what the search costs where there is nothing to find. Every
call has a process of its own, on one core.

Sapwood gets all the models that a merge was made of. A peer takes one base, so
it has a turn with each, and its smallest patch counts; so has `sapwood-plain`,
which is Sapwood without prediction. report.py makes a section of its page of
the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import machine
from cells import Cell, is_whole
from changed import changed_weights
from merges import Merge, adapter_merges, model_merges, simulated_merges
from pairs import Pair
from peers import PEERS, VARIANTS
from run import write
from search_cost import search_cost

SEVERAL_BASES = ("sapwood",)
MEASURED = ("sapwood", "sapwood-plain", "z4ai", "lmzip", "pcodec-ulp")
KEPT_FIELDS = ("peer", "status", "reason", "name", "version", "patch_bytes", "runs",
               "create_seconds", "apply_seconds", "create_anon", "apply_anon")  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--adapters", type=Path, help="folder of train_adapters.py")
    add("--simulated", type=Path, help="folder of simulated_merges.py")
    add("--merges", type=Path, help="folder of merge_models.py; needs --checkpoints")
    add("--checkpoints", type=Path, help="folder of finetune_encoder.py")
    add("--out", type=Path, required=True, help="JSON file to write")
    add("--keep", type=Path, help="an earlier result, for peers that are not measured now")
    add("--only", action="append", metavar="MERGE", help="this merge only (may be repeated)")
    add("--peers", metavar="A,B", help=f"by default {','.join(MEASURED)}")
    add("--runs", type=int, default=3, help="rounds; medians are printed (default 3)")
    add("--search-runs", type=int, default=7, help="of the search's cost; 0 leaves it out")
    add("--limit", type=float, default=300, help="seconds that a call may take (default 300)")
    add("--work", type=Path, help="folder for temporary files (default: the system's)")
    options = parser.parse_args()
    options.peers = options.peers.split(",") if options.peers else list(MEASURED)
    if unknown := set(options.peers) - set(PEERS | VARIANTS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if options.merges and not options.checkpoints:
        parser.error("--merges needs --checkpoints: the models that were merged")
    return options


def chosen_merges(options: argparse.Namespace) -> list[Merge]:
    merges: list[Merge] = []
    if options.adapters:
        merges += adapter_merges(options.adapters)
    if options.merges:
        merges += model_merges(options.merges, options.checkpoints)
    if options.simulated:
        merges += simulated_merges(options.simulated)
    if options.only:
        if unknown := set(options.only) - {merge.key for merge in merges}:
            raise SystemExit(f"no such merge: {', '.join(sorted(unknown))}")
        merges = [merge for merge in merges if merge.key in options.only]
    for merge in merges:
        for path in (*merge.bases, merge.target, *([merge.adapter] if merge.adapter else [])):
            if not path.is_file():
                raise SystemExit(f"{merge.key}: {path} is missing")
    return merges


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_pair(merge: Merge, bases: Sequence[Path], work: Path) -> Pair:
    """The merge as a pair; several bases become a folder of links, in their order."""
    base = bases[0]
    if len(bases) > 1:
        base = work / "bases"
        base.mkdir()
        for number, path in enumerate(bases):
            (base / f"{number}-{path.name}").symlink_to(path.resolve())
    return Pair(merge.key, merge.title, merge.kind, merge.dtype, base, merge.target)


def measure_peer(
    merge: Merge, peer: str, bases: Sequence[Path], options: argparse.Namespace
) -> dict[str, Any]:
    """All rounds of one peer with these bases; the result is what JSON takes."""
    cell = Cell(peer, threads=1)
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            cell.measure(as_pair(merge, bases, Path(folder)), Path(folder), options.limit)
        summary = cell.summary()
        if not is_whole(summary):
            break
    found = {field: summary[field] for field in KEPT_FIELDS if field in summary}
    found["bases"] = [path.name.removesuffix(".safetensors") for path in bases]
    line = f"{merge.key} {peer} of {' '.join(found['bases'])}"
    print(f"{line:64} {found['patch_bytes']:>12,} bytes {cell.status} {cell.reason}", flush=True)
    return found


def best_cell(merge: Merge, peer: str, options: argparse.Namespace) -> dict[str, Any]:
    """The cell of a peer: with all bases at once if it can, else with that which suits it best."""
    sets = [merge.bases] if peer in SEVERAL_BASES else [(base,) for base in merge.bases]
    cells = [measure_peer(merge, peer, bases, options) for bases in sets]
    return min(cells, key=lambda cell: (not is_whole(cell), cell["patch_bytes"]))


def measure_merge(
    merge: Merge, options: argparse.Namespace, earlier: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """All peers on one merge; those that are not asked for come from `earlier`, if files agree."""
    digests = [sha256(path) for path in (*merge.bases, merge.target)]
    before = earlier.get(merge.key, {})
    kept = before["cells"] if before.get("sha256") == digests else []
    return {
        "key": merge.key,
        "title": merge.title,
        "kind": merge.kind,
        "dtype": merge.dtype,
        "bases": len(merge.bases),
        "sha256": digests,
        "target_bytes": merge.target.stat().st_size,
        "changed_weights": changed_weights(merge.bases, merge.target),
        "adapter_bytes": merge.adapter.stat().st_size if merge.adapter else None,
        "cells": [
            *(best_cell(merge, peer, options) for peer in options.peers),
            *(cell for cell in kept if cell["peer"] not in options.peers),
        ],
    }


def main() -> None:
    options = arguments()
    merges = chosen_merges(options)
    kept = json.loads(options.keep.read_text())["merges"] if options.keep else []
    earlier = {entry["key"]: entry for entry in kept}
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "settings": {"runs": options.runs, "search_runs": options.search_runs},
        "merges": [],
        "search": [],
    }
    for merge in merges:
        results["merges"].append(measure_merge(merge, options, earlier))
        write(results, options.out)
    if options.checkpoints and options.search_runs and not options.only:
        results["search"] = search_cost(
            options.checkpoints, options.search_runs, options.limit, options.work
        )
        write(results, options.out)


if __name__ == "__main__":
    main()
