"""XOR with the base, then zstd."""

from __future__ import annotations

from pathlib import Path

import zstandard_library as zstd
from peers.peer import Peer
from xor import xor


class XorZstd(Peer):
    name = "XOR + zstd -9"
    package = "backports.zstd"
    threaded = True
    level = 9

    def version(self) -> str:
        return zstd.LIBRARY_VERSION

    def create(self, base: Path, target: Path, patch: Path) -> None:
        residual = xor(base.read_bytes(), target.read_bytes())
        patch.write_bytes(zstd.compress(residual.data, self.level, self.threads))

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        out.write_bytes(xor(base.read_bytes(), zstd.decompress(patch.read_bytes())).data)


class XorZstd19(XorZstd):
    name = "XOR + zstd -19"
    level = 19
