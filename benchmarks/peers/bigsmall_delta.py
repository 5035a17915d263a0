"""BigSmall's delta of two safetensors files."""

from __future__ import annotations

import os
from pathlib import Path

# It asks a package index for its newest version on import; not during a benchmark.
os.environ["BIGSMALL_DISABLE_VERSION_CHECK"] = "1"

import bigsmall

from peers.peer import Peer, Unsuitable
from safetensors_layout import NAME


class BigSmall(Peer):
    name = "bigsmall delta"
    package = "bigsmall"
    threaded = True

    def create(self, base: Path, target: Path, patch: Path) -> None:
        if target.suffix != NAME:
            raise Unsuitable("it reads safetensors only")
        bigsmall.compress_delta(target, base, patch, workers=self.threads, progress=False)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        bigsmall.decompress_delta(patch, base, out, progress=False)
