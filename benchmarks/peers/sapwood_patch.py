"""Sapwood itself, through its Python interface, measured like the others.

A folder in the place of the base stands for all the files in it, in the order
of their names: the bases of a merge.
"""

from __future__ import annotations

from pathlib import Path

import sapwood.models
from peers.peer import Peer


def sources(base: Path) -> Path | list[Path]:
    return sorted(base.iterdir()) if base.is_dir() else base


class Sapwood(Peer):
    name = "Sapwood"
    package = "sapwood"
    threaded = True

    def create(self, base: Path, target: Path, patch: Path) -> None:
        sapwood.models.create_patch(sources(base), target, patch, threads=self.threads)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        receiving = sapwood.models.Receiving(threads=self.threads)
        sapwood.models.apply_patch(sources(base), patch, out, receiving=receiving)


class SapwoodBest(Sapwood):
    """What is no tensor at the highest level of zstd."""

    name = "Sapwood, compression_level 19"

    def create(self, base: Path, target: Path, patch: Path) -> None:
        sapwood.models.create_patch(
            sources(base), target, patch, compression_level=19, threads=self.threads
        )


class SapwoodPlain(Sapwood):
    """Every residual against the base itself."""

    name = "Sapwood without prediction"

    def create(self, base: Path, target: Path, patch: Path) -> None:
        sapwood.models.create_patch(base, target, patch, threads=self.threads, low_rank=False)
