"""The target compressed alone: what a patch must beat to be worth having."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import zstandard_library as zstd
from peers.peer import Peer


class ZstdAlone(Peer):
    threaded = True
    level: ClassVar[int]

    def version(self) -> str:
        return zstd.LIBRARY_VERSION

    def create(self, base: Path, target: Path, patch: Path) -> None:  # noqa: ARG002
        patch.write_bytes(zstd.compress(target.read_bytes(), self.level, self.threads))

    def apply(self, base: Path, patch: Path, out: Path) -> None:  # noqa: ARG002
        out.write_bytes(zstd.decompress(patch.read_bytes()))


class Zstd3(ZstdAlone):
    name = "zstd -3 (alone)"
    level = 3


class Zstd9(ZstdAlone):
    name = "zstd -9 (alone)"
    level = 9


class Zstd19Long(ZstdAlone):
    name = "zstd -19 --long (alone)"
    level = 19

    def create(self, base: Path, target: Path, patch: Path) -> None:  # noqa: ARG002
        patch.write_bytes(zstd.compress(target.read_bytes(), self.level, self.threads, long=True))
