"""Sapwood itself, through its Python interface, measured like the others."""

from __future__ import annotations

from pathlib import Path

import sapwood.models
from peers.peer import Peer


class Sapwood(Peer):
    name = "Sapwood"
    package = "sapwood"
    threaded = True

    def create(self, base: Path, target: Path, patch: Path) -> None:
        sapwood.models.create_patch(base, target, patch, threads=self.threads)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        sapwood.models.apply_patch(base, patch, out, threads=self.threads)
