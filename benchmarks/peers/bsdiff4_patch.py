"""bsdiff: suffix sorting, and bzip2 over the byte-wise differences."""

from __future__ import annotations

from pathlib import Path

import bsdiff4

from peers.peer import Peer


class Bsdiff4(Peer):
    name = "bsdiff4"
    package = "bsdiff4"

    def create(self, base: Path, target: Path, patch: Path) -> None:
        bsdiff4.file_diff(str(base), str(target), str(patch))

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        bsdiff4.file_patch(str(base), str(out), str(patch))
