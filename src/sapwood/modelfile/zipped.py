"""Reads the layouts of the models that are zip archives, by what is in them.

- PyTorch checkpoints, TorchScript and torch.package: the storages are tensors.
- NumPy .npz: each stored array is a tensor.
- Keras .keras: the datasets of the HDF5 file in it are tensors.

An archive of other things is bytes.

Compressed entries are skeleton.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.hdf5 import looks_like_hdf5, read_hdf5
from sapwood.modelfile.layout import (
    FileBytes,
    ModelFile,
    TensorEntry,
    byte_view,
    laid_out,
    plain_bytes,
)
from sapwood.modelfile.npy import find_array
from sapwood.modelfile.storage_pickle import Budget, Storage, find_storages
from sapwood.modelfile.zip_entries import LOCAL_MAGIC, Directory, StoredEntry, read_directory
from sapwood.tensors import DType, TensorSpec

NPY = ".npy"
PICKLE = ".pkl"
LARGEST_PICKLE = 64 << 20  # bytes; of storages in a larger one only the bytes are known
WEIGHTS = "model.weights.h5"
KERAS = {"metadata.json", "config.json", WEIGHTS}


def looks_like_zip(data: FileBytes) -> bool:
    """Whether the file begins as zip archives with an entry do."""
    return bytes(byte_view(data)[: len(LOCAL_MAGIC)]) == LOCAL_MAGIC


def read_zip(data: FileBytes) -> ModelFile:
    """The layout of a model in a zip archive.

    Args:
        data: the whole file, usually a memory map; borrowed for the call. Its directory is
            read, the local headers, and the headers or pickles that tell what tensors are.

    Returns:
        A layout of the format "pytorch", "npz", "keras" or "zip".

    Raises:
        InvalidModelFile: the archive's directory is damaged; `offset` is the place.
        UnsupportedType: `data` is not contiguous bytes.
    """
    view = byte_view(data)
    directory = read_directory(view)
    names = directory.names
    if any(name.endswith(("/data.pkl", "/.data/version")) for name in names):
        return laid_out("pytorch", len(view), _storages(view, directory))
    if names and all(name.endswith(NPY) for name in names):
        return laid_out("npz", len(view), [_array(view, entry) for entry in directory.stored])
    if set(names) >= KERAS:
        return laid_out("keras", len(view), _weights(view, directory.stored))
    return dataclasses.replace(plain_bytes(len(view)), format="zip")


def _weights(view: memoryview, stored: Iterable[StoredEntry]) -> list[TensorEntry]:
    """The datasets of a Keras archive's weights; none where they are no sound HDF5."""
    for entry in stored:
        data = view[entry.offset : entry.end]
        if entry.name == WEIGHTS and looks_like_hdf5(data):
            try:
                found = read_hdf5(data)
            except InvalidModelFile:
                return []
            return [
                dataclasses.replace(one, offset=entry.offset + one.offset) for one in found.tensors
            ]
    return []


def _array(view: memoryview, entry: StoredEntry) -> TensorEntry:
    """The elements of a .npy file; all of the entry where it is none."""
    name = entry.name.removesuffix(NPY)
    try:
        found = find_array(view[entry.offset : entry.end])
    except InvalidModelFile:
        return TensorEntry(name, TensorSpec(DType.BYTES, (entry.size,)), entry.offset)
    return TensorEntry(name, found.spec, entry.offset + found.start)


def _storages(view: memoryview, directory: Directory) -> list[TensorEntry]:
    """The storages of a PyTorch archive, with what its pickles say of them."""
    entries = {entry.name: entry for entry in directory.stored}
    known = _known_storages(view, directory.stored, entries)
    names = collections.Counter(storage.name for storage in known.values())
    found = []
    for entry in directory.stored:
        storage = known.get(entry.name)
        if storage is not None:
            # The root is the file's name when it was saved, which changes.
            _, _, inner = entry.name.partition("/")
            name = storage.name if names[storage.name] == 1 and storage.name else inner
            found.append(TensorEntry(name, storage.spec(entry.size), entry.offset))
        elif _is_storage(entry.name):
            spec = TensorSpec(DType.BYTES, (entry.size,))
            found.append(TensorEntry(entry.name.partition("/")[2], spec, entry.offset))
    return found


def _known_storages(
    view: memoryview, stored: Iterable[StoredEntry], entries: dict[str, StoredEntry]
) -> dict[str, Storage]:
    """What the pickles say of the archive's storages, by the names of their entries."""
    known: dict[str, Storage] = {}
    budget = Budget()
    for entry in stored:
        root = entry.name.partition("/")[0]
        order = entries.get(f"{root}/byteorder")
        if (
            not entry.name.endswith(PICKLE)
            or entry.size > LARGEST_PICKLE
            or (order is not None and bytes(view[order.offset : order.end][:4]) == b"big")
        ):
            continue
        folder = entry.name.removesuffix(PICKLE)
        for storage in find_storages(bytes(view[entry.offset : entry.end]), budget):
            for name in (f"{folder}/{storage.key}", f"{root}/.data/{storage.key}.storage"):
                if name in entries:
                    known.setdefault(name, storage)
    return known


def _is_storage(name: str) -> bool:
    """Whether an entry of a PyTorch archive is a storage by its name."""
    parts = name.split("/")
    return len(parts) == 3 and (
        (parts[1] in ("data", "constants") and parts[2].isdecimal())
        or (parts[1] == ".data" and parts[2].endswith(".storage"))
    )
