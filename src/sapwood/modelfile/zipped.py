"""Reads the layouts of the models that are zip archives, by what is in them.

- PyTorch checkpoints, TorchScript and torch.package: the storages are tensors.
- NumPy .npz: each stored array is a tensor.
- Keras .keras: the datasets of the HDF5 file in it are tensors.

An archive of other things is bytes. Compressed entries are skeleton.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable

from sapwood.archives import LOCAL_MAGIC
from sapwood.errors import InvalidModelFile
from sapwood.modelfile.format import Format, Marks
from sapwood.modelfile.hdf5 import FORMAT as HDF5
from sapwood.modelfile.layout import ModelFile, TensorEntry, laid_out, plain_bytes
from sapwood.modelfile.naming import LONGEST
from sapwood.modelfile.npy import read_header
from sapwood.modelfile.storage_pickle import Budget, Storage, find_storages
from sapwood.modelfile.zip_entries import Directory, StoredEntry, read_directory
from sapwood.tensors import DType, TensorSpec

NPY = ".npy"
PICKLE = ".pkl"
LARGEST_PICKLE = 64 << 20  # bytes; of storages in a larger one only the bytes are known
WEIGHTS = "model.weights.h5"
KERAS = {"metadata.json", "config.json", WEIGHTS}


def _read_zip(view: memoryview) -> ModelFile:
    """The layout of a model in a zip archive.

    Its directory is read, the local headers, and the headers or pickles that tell what tensors
    are.

    Raises:
        InvalidModelFile: the archive's directory is damaged; `offset` is the place.
    """
    directory = read_directory(view)
    for kind in KINDS:
        if kind.told_by(directory.names):
            return laid_out(kind.name, len(view), kind.tensors(view, directory))
    return dataclasses.replace(plain_bytes(len(view)), format=FORMAT.name)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a zip archive may be.

    Attributes:
        name: what `ModelFile.format` calls it.
        told_by: whether an archive is one, by the names of all its entries in their order.
        tensors: gives the tensors of such a file by its directory, in any order.
    """

    name: str
    told_by: Callable[[tuple[str, ...]], bool]
    tensors: Callable[[memoryview, Directory], list[TensorEntry]]


def _is_pytorch(names: tuple[str, ...]) -> bool:
    return any(name.endswith(("/data.pkl", "/.data/version")) for name in names)


def _is_npz(names: tuple[str, ...]) -> bool:
    return bool(names) and all(name.endswith(NPY) for name in names)


def _is_keras(names: tuple[str, ...]) -> bool:
    return KERAS.issubset(names)


def _weights(view: memoryview, directory: Directory) -> list[TensorEntry]:
    """The datasets of a Keras archive's weights; none where they are no sound HDF5."""
    for entry in directory.stored:
        if entry.name == WEIGHTS:
            try:
                found = HDF5.read(view[entry.offset : entry.end])
            except InvalidModelFile:
                return []
            return [
                dataclasses.replace(one, offset=entry.offset + one.offset) for one in found.tensors
            ]
    return []


def _arrays(view: memoryview, directory: Directory) -> list[TensorEntry]:
    """The arrays of an .npz archive."""
    return [_array(view, entry) for entry in directory.stored]


def _array(view: memoryview, entry: StoredEntry) -> TensorEntry:
    """The elements of a .npy file; all of the entry where it is none."""
    name = entry.name.removesuffix(NPY)
    try:
        header = read_header(view[entry.offset : entry.end])
    except InvalidModelFile:
        return TensorEntry(name, TensorSpec(DType.BYTES, (entry.size,)), entry.offset)
    return TensorEntry(name, header.spec, entry.offset + header.start)


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
            or len(entry.name) > LONGEST  # each storage is looked up by it
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


KINDS = (
    Kind("pytorch", _is_pytorch, _storages),
    Kind("npz", _is_npz, _arrays),
    Kind("keras", _is_keras, _weights),
)
"""What is told apart, the first that an archive looks like; any other is the format itself."""

FORMAT = Format("zip", Marks({0: LOCAL_MAGIC}), _read_zip, kinds=tuple(kind.name for kind in KINDS))
