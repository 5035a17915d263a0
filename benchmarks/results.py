"""What run.py wrote, read back and asked questions of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import is_whole
from merge_results import MergeResults

SAPWOOD = "sapwood"
PCODEC = "pcodec-ulp"
# What is sold as a delta codec for model weights, by the design's list.
DELTA_TOOLS = ("z4ai", "lmzip", "zipnn", "bigsmall", "reminis")


@dataclass(frozen=True)
class PairResult:
    """One pair's part of the results."""

    data: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.data["key"])

    @property
    def cells(self) -> list[dict[str, Any]]:
        return list(self.data["cells"])

    def cell(self, peer: str, threads: int) -> dict[str, Any] | None:
        """The cell if it has figures, else None."""
        for cell in self.cells:
            if (cell["peer"], cell["threads"]) == (peer, threads) and is_whole(cell):
                return cell
        return None

    def sizes(self) -> dict[str, int]:
        """Patch bytes of every peer that brought the tensors back, on one core first."""
        found: dict[str, int] = {}
        for cell in self.cells:
            if is_whole(cell):
                found.setdefault(cell["peer"], cell["patch_bytes"])
        return found

    def best(self, peers: tuple[str, ...] | None = None) -> tuple[str, int] | None:
        """The smallest patch of these peers, or of all but Sapwood; None if there is none."""
        sizes = {
            peer: size
            for peer, size in self.sizes().items()
            if peer != SAPWOOD and (peers is None or peer in peers)
        }
        return min(sizes.items(), key=lambda item: item[1]) if sizes else None


@dataclass(frozen=True)
class Results:
    """All that run.py wrote, and memory.py, adapters.py and quantised.py if they were run."""

    data: dict[str, Any]
    memory: dict[str, Any] | None
    merges: MergeResults | None
    quantised: dict[str, Any] | None

    @classmethod
    def read(cls, path: Path) -> Results:
        """memory.json, adapters.json and gguf.json are taken from its folder if they are there."""
        memory, merges = path.with_name("memory.json"), path.with_name("adapters.json")
        quantised = path.with_name("gguf.json")
        return cls(
            json.loads(path.read_text()),
            json.loads(memory.read_text()) if memory.exists() else None,
            MergeResults.read(merges) if merges.exists() else None,
            json.loads(quantised.read_text()) if quantised.exists() else None,
        )

    @property
    def cores(self) -> int:
        return int(self.data["machine"]["cores"])

    @property
    def pairs(self) -> list[PairResult]:
        return [PairResult(pair) for pair in self.data["pairs"]]

    def pair(self, key: str) -> PairResult | None:
        return next((pair for pair in self.pairs if pair.key == key), None)
