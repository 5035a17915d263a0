"""XOR with the base, then blosc2: (bit) shuffle by the element's width and zstd.

blosc2 shuffles from the first byte of what it is given. A safetensors header
is padded to a multiple of eight, so its elements stay aligned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import blosc2

from peers.peer import Peer, Unsuitable
from safetensors_layout import element_width
from xor import xor

LEVEL = 9  # of blosc2, the highest; it maps to zstd's -22 scale itself
MAX_BYTES = 2**31 - 1  # of one blosc2 chunk


class XorBlosc2(Peer):
    package = "blosc2"
    threaded = True
    filter: ClassVar[Any]

    def create(self, base: Path, target: Path, patch: Path) -> None:
        if target.stat().st_size > MAX_BYTES:
            raise Unsuitable("one blosc2 chunk holds at most 2 GiB")
        residual = xor(base.read_bytes(), target.read_bytes())
        packed = blosc2.compress2(
            residual,
            codec=blosc2.Codec.ZSTD,
            clevel=LEVEL,
            typesize=element_width(target),
            filters=[self.filter],
            filters_meta=[0],
            nthreads=self.threads,
        )
        patch.write_bytes(packed)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        residual = blosc2.decompress2(patch.read_bytes(), nthreads=self.threads)
        out.write_bytes(xor(base.read_bytes(), residual).data)


class XorBlosc2Shuffle(XorBlosc2):
    name = "XOR + blosc2 shuffle"
    filter = blosc2.Filter.SHUFFLE


class XorBlosc2Bitshuffle(XorBlosc2):
    name = "XOR + blosc2 bitshuffle"
    filter = blosc2.Filter.BITSHUFFLE
