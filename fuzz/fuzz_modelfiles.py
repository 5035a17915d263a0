"""Fuzzes every reader of model files with atheris.

    python fuzz/fuzz_modelfiles.py -max_total_time=60 CORPUS_FOLDER

Whatever the bytes: only InvalidModelFile is raised, and the layout covers the file
once. Small files of each format are put into the first folder that is named, for the
fuzzer to begin with.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_safetensors import check_cover

from sapwood.errors import InvalidModelFile
from sapwood.modelfile import READERS, open_model


def safetensors_seed() -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def gguf_seed() -> bytes:
    key = struct.pack("<Q", 17) + b"general.alignment" + struct.pack("<II", 4, 32)
    words = struct.pack("<Q1sIIQQ2s", 1, b"w", 9, 8, 1, 2, b"xy")
    tensors = struct.pack("<Q1sI2QIQ", 1, b"f", 2, 3, 2, 0, 0)
    tensors += struct.pack("<Q1sIQIQ", 1, b"q", 1, 32, 8, 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 2) + key + words + tensors
    return head + bytes(-len(head) % 32) + bytes(32 + 34)


def npy_seed() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(6, dtype=np.float32).reshape(2, 3))
    return file.getvalue()


def zip_seed(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def npz_seed() -> bytes:
    return zip_seed({"a.npy": npy_seed(), "b.npy": npy_seed()})


def pytorch_seed() -> bytes:
    pickle = (
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"
        b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\2K\3\x86K\3K\1\x86\x89"
        b"ccollections\nOrderedDict\n)RtRs."
    )
    return zip_seed({"m/data.pkl": pickle, "m/byteorder": b"little", "m/data/0": bytes(24)})


SEEDS: dict[str, Callable[[], bytes]] = {
    "safetensors": safetensors_seed,
    "gguf": gguf_seed,
    "npy": npy_seed,
    "npz": npz_seed,
    "pytorch": pytorch_seed,
}
"""A small file of each format, by what `open_model` calls it."""


def one_input(data: bytes) -> None:
    """One run: `data` as any file and as each format; an AssertionError is a finding."""
    view = memoryview(data)
    check_cover(open_model(view), len(data))
    for _, read in READERS:
        try:
            layout = read(view)
        except InvalidModelFile as e:
            if e.offset is None or not 0 <= e.offset <= len(data):
                raise AssertionError(f"error without a place in the file: {e}") from e
        else:
            check_cover(layout, len(data))


def plant(folder: Path) -> None:
    """Puts the seeds into a folder, once each of them is what it should be."""
    for name, make in SEEDS.items():
        seed = make()
        one_input(seed)
        found = open_model(memoryview(seed))
        if found.format != name or not found.tensors:
            raise AssertionError(f"the seed of {name} is read as {found}")
        (folder / f"seed-{name}").write_bytes(seed)


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]

    folders = [Path(one) for one in sys.argv[1:] if Path(one).is_dir()]
    if folders:
        plant(folders[0])
    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
