"""z4ai: its model delta for safetensors, its delta of buffers for other files."""

from __future__ import annotations

from pathlib import Path

from z4ai import delta, model_delta

from peers.peer import Peer, Unsuitable
from safetensors_layout import NAME


class Z4ai(Peer):
    name = "z4ai delta"
    package = "z4ai"
    threaded = True

    def create(self, base: Path, target: Path, patch: Path) -> None:
        if target.suffix == NAME:
            model_delta.compress_file(str(target), str(base), str(patch), threads=self.threads)
            return
        if base.stat().st_size != target.stat().st_size:
            raise Unsuitable("its delta of plain files needs two files of one length")
        packed = delta.compress(target.read_bytes(), base.read_bytes(), threads=self.threads)
        patch.write_bytes(packed)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        if base.suffix == NAME:
            model_delta.decompress_file(str(patch), str(base), str(out))
            return
        out.write_bytes(delta.decompress(patch.read_bytes(), base.read_bytes()))
