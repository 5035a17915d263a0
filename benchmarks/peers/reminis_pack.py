"""Reminis: a delta pack between two SQLite databases of weights.

The base's database is made beforehand, as its users hold it. The target's is
made as part of creating, and exported to a file as part of applying.
"""

from __future__ import annotations

from pathlib import Path

from reminis.diff import apply_delta, diff_models
from reminis.safetensors_io import safetensors_to_sqlite, sqlite_to_safetensors

from peers.peer import Peer, Unsuitable
from safetensors_layout import NAME


class Reminis(Peer):
    name = "reminis pack"
    package = "reminis"
    threaded = True

    def prepare(self, base: Path) -> None:
        if base.suffix != NAME:
            raise Unsuitable("it reads safetensors and GGUF only")
        database = self.work / "base.db"
        database.unlink(missing_ok=True)
        safetensors_to_sqlite(str(base), str(database), verbose=False)

    def create(self, base: Path, target: Path, patch: Path) -> None:  # noqa: ARG002
        database = self.work / "target.db"
        database.unlink(missing_ok=True)
        safetensors_to_sqlite(str(target), str(database), verbose=False)
        diff_models(str(self.work / "base.db"), str(database), str(patch), verbose=False)
        database.unlink()

    def apply(self, base: Path, patch: Path, out: Path) -> None:  # noqa: ARG002
        database = self.work / "received.db"
        apply_delta(str(self.work / "base.db"), str(patch), str(database), verbose=False)
        sqlite_to_safetensors(str(database), str(out), verbose=False)
        database.unlink()
