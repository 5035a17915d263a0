"""ZipNN's delta mode: XOR with a buffer of equal length, then its Huffman planes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from zipnn import ZipNN as Codec

from peers.peer import Peer, Unsuitable
from safetensors_layout import layout

DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


class ZipNN(Peer):
    name = "zipnn delta"
    package = "zipnn"
    threaded = True

    def codec(self, dtype: str) -> Any:
        return Codec(
            input_format="byte",
            bytearray_dtype=dtype,
            delta_compressed_type="byte",
            threads=self.threads,
        )

    def create(self, base: Path, target: Path, patch: Path) -> None:
        if base.stat().st_size != target.stat().st_size:
            raise Unsuitable("its delta needs two files of one length")
        sizes: Counter[str] = Counter()
        for place in layout(target) or []:
            sizes[place.dtype] += place.end - place.begin
        dtype = DTYPES[sizes.most_common(1)[0][0]] if sizes else "float32"
        # A bytearray, because it XORs in place into what it is given.
        packed = self.codec(dtype).compress(
            bytearray(target.read_bytes()), delta_second_data=base.read_bytes()
        )
        patch.write_bytes(packed)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        # The dtype stands in the patch; the constructor's is not used here.
        out.write_bytes(
            self.codec("bfloat16").decompress(
                patch.read_bytes(), delta_second_data=base.read_bytes()
            )
        )
