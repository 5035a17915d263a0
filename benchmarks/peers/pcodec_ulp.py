"""pcodec on ULP differences: our residual in the best public numeric codec.

One pco file per tensor of floats, integers by difference modulo 2**width, the
bytes of bool and fp8 likewise. The target's header is stored as it is. Layouts
must be equal; a patch is the header and the lengths and pco files in order.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from pcodec import ChunkConfig, standalone

from peers.peer import Peer, Unsuitable
from safetensors_layout import WIDTHS, TensorPlace, layout, tensor_places
from ulp import FLOATS, Signed, Unsigned, difference, moved

LENGTH = struct.Struct("<Q")


def bits(data: bytes, place: TensorPlace) -> Unsigned:
    width = WIDTHS[place.dtype]
    return np.frombuffer(data, f"<u{width}", (place.end - place.begin) // width, place.begin)


def steps(base: Unsigned, target: Unsigned, dtype: str) -> Signed:
    if dtype in FLOATS:
        return difference(base, target)
    return (target - base).view(f"i{base.dtype.itemsize}")


class PcodecUlp(Peer):
    name = "pcodec on ULP"
    package = "pcodec"

    def create(self, base: Path, target: Path, patch: Path) -> None:
        places = layout(target)
        if places is None or places != layout(base):
            raise Unsuitable("it needs two safetensors files of one layout")
        base_data, target_data = base.read_bytes(), target.read_bytes()
        with patch.open("wb") as file:
            file.write(target_data[: places[0].begin])
            for place in places:
                residual = steps(bits(base_data, place), bits(target_data, place), place.dtype)
                packed = standalone.simple_compress(residual, ChunkConfig())
                file.write(LENGTH.pack(len(packed)) + packed)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        data, base_data = patch.read_bytes(), base.read_bytes()
        places = tensor_places(data)
        at = places[0].begin
        with out.open("wb") as file:
            file.write(data[:at])
            for place in places:
                (length,) = LENGTH.unpack_from(data, at)
                at += LENGTH.size
                base_bits = bits(base_data, place)
                residual = standalone.simple_decompress(data[at : at + length])
                at += length
                residual = np.zeros(0, np.int8) if residual is None else residual
                residual = residual.view(base_bits.dtype).view(f"i{base_bits.dtype.itemsize}")
                if place.dtype in FLOATS:
                    file.write(moved(base_bits, residual).data)
                else:
                    file.write((base_bits + residual.view(base_bits.dtype)).data)
