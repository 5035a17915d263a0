"""What adapters.py wrote, read back and asked questions of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import is_whole

PLAIN = "sapwood-plain"  # Sapwood with every residual against the base itself


@dataclass(frozen=True)
class MergeResult:
    """One merge's part of the results."""

    data: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.data["key"])

    def cell(self, peer: str) -> dict[str, Any] | None:
        """The peer's cell if it was measured, even where it failed."""
        return next((cell for cell in self.data["cells"] if cell["peer"] == peer), None)

    def size(self, peer: str) -> int | None:
        """Bytes of the patch, or None where the tensors did not come back."""
        cell = self.cell(peer)
        return cell["patch_bytes"] if cell and is_whole(cell) else None

    def bits(self, peer: str) -> float | None:
        """The whole patch in bits for each weight in a tensor that changed."""
        size = self.size(peer)
        return size * 8 / self.data["changed_weights"] if size is not None else None

    def ratio(self, peer: str, other: str) -> float | None:
        """How many times smaller the patch of `peer` is than that of `other`."""
        own, others = self.size(peer), self.size(other)
        return others / own if own and others else None


@dataclass(frozen=True)
class MergeResults:
    """All that adapters.py wrote."""

    data: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> MergeResults:
        return cls(json.loads(path.read_text()))

    @property
    def merges(self) -> list[MergeResult]:
        return [MergeResult(merge) for merge in self.data["merges"]]

    def merge(self, key: str) -> MergeResult | None:
        return next((merge for merge in self.merges if merge.key == key), None)

    @property
    def search(self) -> list[dict[str, Any]]:
        return list(self.data["search"])
