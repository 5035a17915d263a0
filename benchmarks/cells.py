"""One cell of the tables: a peer on a pair with a number of threads, over all rounds."""

from __future__ import annotations

import filecmp
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Call, CallFailed, measured
from pairs import Pair
from safetensors_layout import layout

EXACT = "exact"
SAME_TENSORS = "same tensors, other file"


@dataclass
class Cell:
    """Filled round by round; `status` leaves '' in the first and never comes back."""

    peer: str
    threads: int
    status: str = ""
    reason: str = ""
    name: str = ""
    version: str = ""
    patch_bytes: int = 0
    creates: list[Call] = field(default_factory=list)
    applies: list[Call] = field(default_factory=list)

    def measure(self, pair: Pair, work: Path, limit: float) -> None:
        """Creates, applies and compares once more."""
        patch, out = work / "patch", work / f"out{pair.target.suffix}"
        try:
            create = measured(
                self.peer, "create", self.threads, limit, [work, pair.base, pair.target, patch]
            )
            self.patch_bytes = patch.stat().st_size
            self.name, self.version = create.name, create.version
            self.creates.append(create)
            apply = measured(self.peer, "apply", self.threads, limit, [work, pair.base, patch, out])
            self.applies.append(apply)
            self.status = faithfulness(pair.target, out)
        except CallFailed as e:
            self.status, self.reason = e.status, str(e)
        for path in (patch, out):
            path.unlink(missing_ok=True)

    def done(self, slow: float) -> bool:
        """No further round: it failed, or a round takes longer than `slow` seconds."""
        if self.status in (EXACT, SAME_TENSORS):
            return self.creates[0].seconds + self.applies[0].seconds > slow
        return bool(self.status)

    def summary(self) -> dict[str, Any]:
        """What the report reads: medians of time, the highest of memory."""
        found: dict[str, Any] = {"peer": self.peer, "threads": self.threads}
        found |= {"status": self.status, "reason": self.reason}
        found |= {"name": self.name, "version": self.version}
        found |= {"patch_bytes": self.patch_bytes, "runs": len(self.applies)}
        for label, calls in (("create", self.creates), ("apply", self.applies)):
            if calls:
                found[f"{label}_seconds"] = statistics.median(call.seconds for call in calls)
                found[f"{label}_all_seconds"] = [call.seconds for call in calls]
                found[f"{label}_anon"] = max(call.anon for call in calls)
                found[f"{label}_resident"] = max(call.resident for call in calls)
        return found


def is_whole(summary: Mapping[str, Any]) -> bool:
    """Of a cell's summary: it created and applied, and every tensor came back."""
    return summary["status"] in (EXACT, SAME_TENSORS)


def faithfulness(target: Path, out: Path) -> str:
    """Whether what came back is the target, byte for byte or at least tensor for tensor."""
    if filecmp.cmp(target, out, shallow=False):
        return EXACT
    expected, found = tensors(target), tensors(out)
    if expected is not None and expected == found:
        return SAME_TENSORS
    return "lossy/wrong"


def tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]] | None:
    places = layout(path)
    if places is None:
        return None
    data = path.read_bytes()
    return {p.name: (p.dtype, p.shape, data[p.begin : p.end]) for p in places}


def make_cells(peers: list[str], cores: int, threaded: dict[str, bool]) -> list[Cell]:
    """Each peer on one core, and on all of them where it has threads."""
    return [
        Cell(peer, threads)
        for peer in peers
        for threads in ((1, cores) if threaded[peer] and cores > 1 else (1,))
    ]
