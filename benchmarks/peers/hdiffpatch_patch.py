"""HDiffPatch with zstd, as its own documentation recommends."""

from __future__ import annotations

from pathlib import Path

import hdiffpatch

from peers.peer import Peer


class HDiffPatch(Peer):
    name = "hdiffpatch"
    package = "hdiffpatch"

    def create(self, base: Path, target: Path, patch: Path) -> None:
        diff = hdiffpatch.diff(
            base.read_bytes(), target.read_bytes(), compression="zstd", validate=False
        )
        patch.write_bytes(diff)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        out.write_bytes(hdiffpatch.apply(base.read_bytes(), patch.read_bytes()))
