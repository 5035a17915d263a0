"""Hostile model files of any size, of every format, and what is compared, paired and planned."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from sapwood import models
from sapwood.modelfile import ModelFile, TensorEntry, open_model
from sapwood.modelfile.folder import open_folder, whole_folder
from sapwood.modelfile.layout import laid_out
from sapwood.models.applying.near_names import near_names
from sapwood.models.making.indexable import indexable
from sapwood.models.making.inputs import Input, Part
from sapwood.models.making.merging import Config, merges
from sapwood.models.making.pairing import pair_tensors
from sapwood.models.making.segments import Twins, input_segments
from sapwood.patch.format.predictions import BaseRange
from sapwood.tensors import DType, TensorSpec
from support import coreml_files, gguf_files, hdf5_files, onnx_files, tflite_files
from support.flatbuffer_writer import file, integer, once, packed, table, vector
from support.growth import Call, Family
from support.model_files import safetensors_file, with_header
from support.protobuf_writer import field, fields
from support.zip_files import Item, archive

NOWHERE = 2**64 - 1
# The front of an HDF5 file whose root is a group; where its tree and its heap are, comes later.
GROUP = hdf5_files.superblock(96) + hdf5_files.header(hdf5_files.message(17, bytes(16)))


def opened(data: bytes) -> Call:
    return lambda: open_model(memoryview(data))


def named(count: int) -> dict[str, Any]:
    """Tensors of two elements, all with names of their own."""
    return {f"layers.{i}.weight": np.full(2, i, np.float32) for i in range(count)}


def long_shape(count: int) -> bytes:
    own = {"dtype": "U8", "shape": [1] * count, "data_offsets": [0, 1]}
    return with_header({"a": own}, b"x")


def overlapping(count: int) -> bytes:
    own = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}
    return with_header({f"a{i}": own for i in range(count)}, b"xx")


def notes(count: int) -> bytes:
    return safetensors_file({}, {f"k{i}": "v" for i in range(count)})


def gguf_arrays(count: int) -> bytes:
    inner = b"".join(gguf_files.array(8, 1, gguf_files.text("x")) for _ in range(count))
    return gguf_files.gguf([], [gguf_files.pair("a", 9, gguf_files.array(9, count, inner))])


def gguf_pairs(count: int) -> bytes:
    return gguf_files.gguf([], [gguf_files.pair(f"k{i}", 0, b"x") for i in range(count)])


def tree_of_itself(count: int) -> bytes:
    """An HDF5 file of which one node of a tree has itself as all of its children."""
    out = bytearray(GROUP)
    heap = len(out)
    out += struct.pack("<4sB3x3Q", b"HEAP", 0, 8, NOWHERE, heap + 32) + bytes(8)
    tree = len(out)
    out += struct.pack("<4sBBH2Q", b"TREE", 0, 1, count, 0, 0)
    out += struct.pack("<2Q", 0, tree) * count + bytes(8)
    struct.pack_into("<2Q", out, 96 + 16 + 8, tree, heap)
    return bytes(out)


def leaves_shared(count: int) -> bytes:
    """An HDF5 file in which trees of two levels lead to one leaf of many names, over and over."""
    out = bytearray(GROUP)
    heap = len(out)
    out += struct.pack("<4sB3x3Q", b"HEAP", 0, 8, NOWHERE, heap + 32) + b"a\0\0\0\0\0\0\0"
    leaf = len(out)
    out += struct.pack("<4sBxH", b"SNOD", 1, count) + struct.pack("<2Q24x", 0, 96) * count
    tree = len(out)
    out += struct.pack("<4sBBH2Q", b"TREE", 0, 0, count, 0, 0)
    out += struct.pack("<2Q", 0, leaf) * count + bytes(8)
    struct.pack_into("<2Q", out, 96 + 16 + 8, tree, heap)
    return bytes(out)


def messages_again(count: int) -> bytes:
    """An HDF5 file whose header is gone on with in itself, behind many messages."""
    behind = hdf5_files.message(16, struct.pack("<2Q", 112, 24 + 16 * count))
    many = hdf5_files.message(0, bytes(8)) * count
    return hdf5_files.superblock(96) + hdf5_files.header(behind, many)


def npy(header: str) -> bytes:
    data = header.encode()
    return b"\x93NUMPY\2\0" + struct.pack("<I", len(data)) + data + b"x"


def npy_shape(count: int) -> bytes:
    return npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'1,' * count})}}")


def npy_nested(count: int) -> bytes:
    return npy("(" * count + ")" * count)


def overlapping_entries(count: int) -> bytes:
    """A zip archive of which all entries are one in the file."""
    one = Item("m/data/0", b"x" * 10)
    others = [Item(f"m/data/{i}", b"x" * 10, header=0, written=False) for i in range(1, count)]
    return archive([one, *others, Item("m/data.pkl", b".")])


def pickled(opcodes: bytes, count: int = 1) -> bytes:
    storages = [Item(f"m/data/{i}", bytes(8)) for i in range(count)]
    return archive([Item("m/data.pkl", b"\x80\x02" + opcodes + b"."), *storages])


def storages(count: int) -> bytes:
    """A pickle of a dict of storages, as PyTorch writes it."""
    opcodes = b"}("
    for i in range(count):
        key = str(i).encode()
        opcodes += b"X" + struct.pack("<I", len(key)) + key
        opcodes += b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX"
        opcodes += struct.pack("<I", len(key)) + key + b"X\x03\x00\x00\x00cpuK\x02tQ"
    return pickled(opcodes + b"u", count)


def long_name(count: int) -> bytes:
    """Storages of a pickle whose own name is as long as they are many."""
    found = storages(count)
    start = found.index(b"\x80\x02")
    pickle = found[start : found.index(b".", start + 100)]
    return archive([Item(f"m/{'x' * 60 * count}.pkl", pickle + b"."), Item("m/data.pkl", b".")])


def tflite_shared(count: int) -> bytes:
    """Subgraphs that all have the same tensors."""
    tensors = once(vector([tflite_files.tensor(f"t{i}", 0, (2,), 1) for i in range(count)]))
    subgraphs = vector([table(tensors) for _ in range(count)])
    buffers = vector([table(), tflite_files.buffer(bytes(8))])
    return file(table(integer(3, 4), vector([]), subgraphs, packed(b"x"), buffers), b"TFL3")


def onnx_nested(count: int) -> bytes:
    """Graphs in graphs, as deep as they may be, over and over."""
    inner = onnx_files.graph([], [onnx_files.raw("w", np.zeros(2, np.float32))])
    for _ in range(20):
        node = onnx_files.node("If", ["y"], [onnx_files.attribute("b", 6, inner)])
        inner = onnx_files.graph([node])
    return onnx_files.model(onnx_files.graph([node] * (count // 10)))


def onnx_unnamed(count: int) -> bytes:
    """Tensors that all have one name."""
    tensors = [onnx_files.raw("w", np.zeros(2, np.float32))] * count
    return onnx_files.model(onnx_files.graph([], tensors))


def onnx_empty(count: int) -> bytes:
    return onnx_files.model(fields(1, [b""] * count))


def coreml_nested(count: int) -> bytes:
    layers = coreml_files.network([coreml_files.dense("d", np.zeros((2, 2), np.float32))])
    for _ in range(10):
        layers = coreml_files.network([coreml_files.layer("l", 615, field(4, layers))])
    return coreml_files.model(500, layers * (count // 10))


def blobs(count: int) -> bytes:
    return coreml_files.blob_storage([(2, bytes(8))] * count)


def openvino(count: int) -> bytes:
    data = '<data element_type="f32" shape="1,1,2" offset="0" size="8"/>'
    layers = f'<layer name="w" type="Const">{data * count}</layer>'
    return f'<net name="n" version="11"><layers>{layers}</layers></net>'.encode()


def openvino_deep(count: int) -> bytes:
    return f'<net name="n">{"<a>" * count}{"</a>" * count}</net>'.encode()


def folder(count: int) -> Call:
    """A folder of models whose tensors lie in data files, those of each in one of its own."""
    tensors = [onnx_files.external("w", (2,), "data")]
    model = np.frombuffer(onnx_files.model(onnx_files.graph([], tensors)), np.uint8)
    contents = {f"{i}/model.onnx": model for i in range(count)}
    contents |= {f"{i}/data": np.zeros(8, np.uint8) for i in range(count)}
    return lambda: whole_folder(open_folder([*contents], contents.__getitem__))


def entry(name: str, offset: int, dtype: DType, *shape: int) -> TensorEntry:
    return TensorEntry(name, TensorSpec(dtype, shape), offset)


def layout(*entries: TensorEntry) -> ModelFile:
    return laid_out("safetensors", max(one.end for one in entries), entries)


def pairs(count: int) -> Call:
    """Tensors that all look alike and have other names."""
    data = np.arange(8 * count, dtype=np.uint8)
    old = [entry(f"a{i}", 8 * i, DType.F32, 2) for i in range(count)]
    new = [entry(f"b{i}", 8 * i, DType.F32, 2) for i in range(count)]
    return lambda: pair_tensors(data, old, data, new)


def adapters(count: int) -> Call:
    """Modules of an adapter, with a coefficient of its own for each, and names of many parts."""
    data, other = (np.full(16, value, np.float32).view(np.uint8) for value in (1, 2))
    end = ".a" * 30
    base = [entry(f"m{i}{end}.weight", 0, DType.F32, 0, 2) for i in range(count)]
    sides = [
        entry(f"m{i}{end}.lora_{side}.weight", 0, DType.F32, *shape)
        for i in range(count)
        for side, shape in (("A", (1, 2)), ("B", (2, 1)))
    ]
    target = [entry(one.name, 0, DType.F32, 2, 2) for one in base]
    config = Config(1.0, {f"m{i}{end}": float(i) for i in range(count)})
    files = [
        (data, ModelFile("safetensors", 64, tuple(base), ())),
        (data, ModelFile("safetensors", 64, tuple(sides), ())),
    ]
    places = [[BaseRange(0, 0)]] * count
    return lambda: merges(files, [Config(), config], other, target, places)


def deep_name(count: int) -> Call:
    """A module whose name has as many parts as it is long."""
    name = ".a" * 100 * count
    sides = [
        entry(f"{name}.lora_A.weight", 0, DType.F32, 1, 2),
        entry(f"{name}.lora_B.weight", 8, DType.F32, 2, 1),
    ]
    data = np.ones(16, np.uint8)
    files = [(data, layout(*sides))]
    target = [entry(f"x{name}.weight", 0, DType.F32, 2, 2)]
    return lambda: merges(files, [Config()], data, target, [[]])


def parts(count: int, size: int) -> list[Part]:
    nothing = np.empty(0, np.uint8)
    return [
        Part(f"{size}/{i}-{size}", 0, nothing, ModelFile("bytes", (2 << 20) + 2 * i + size, (), ()))
        for i in range(count)
    ]


def twins(count: int) -> Call:
    """Large files without tensors, none of which has the name or the size of another."""
    old, new = parts(count, 0), parts(count, 1)

    def found() -> list[Part | None]:
        known = Twins(old)
        return [known.like(one) for one in new]

    return found


def version(data: bytes) -> Input:
    view = np.frombuffer(data, np.uint8)
    found = open_model(view)
    return Input(view, found, (Part("", 0, view, found),))


def segments(count: int) -> Call:
    renamed = {f"new {name}": one + 1 for name, one in named(count).items()}
    old = version(safetensors_file(named(count), hole=b"x"))
    new = version(safetensors_file(renamed, hole=b"y"))
    return lambda: input_segments([old], new)


def weighed(count: int) -> Call:
    made = version(safetensors_file(named(count)))
    return lambda: indexable(made, 1 << 20)


def differing(count: int) -> Call:
    old = safetensors_file(named(count))
    new = safetensors_file({name: one + 1 for name, one in named(count).items()})
    return lambda: models.diff(old, new)


def fingerprinted(count: int) -> Call:
    data = safetensors_file(named(count))
    return lambda: models.fingerprint(data)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def offers(*steps: tuple[int, int]) -> Call:
    made = [models.Offer(f"{a}-{b}", (digest(a),), digest(b), 1 + a, 1) for a, b in steps]
    return lambda: models.plan_route([digest(0)], digest(max(b for _, b in steps)), made)


def in_a_row(count: int) -> Call:
    return offers(*((i, i + 1) for i in range(count)), *((i, i + 2) for i in range(count - 1)))


def side_by_side(count: int) -> Call:
    return offers(*((0, 1) for _ in range(count)), (1, 2))


def misspelt(count: int) -> Call:
    names = [f"layers.{i}.weight" for i in range(2000)]
    return lambda: near_names("layers.weight" * count, names)


def many_names(count: int) -> Call:
    names = [f"layers.{i}.weight" for i in range(count)]
    return lambda: near_names("layer.7.weight", names)


MODELS: dict[str, Family] = {
    "safetensors of many tensors": Family(
        "modelfile.safetensors", lambda n: opened(safetensors_file(named(n)))
    ),
    "safetensors of a long shape": Family("modelfile.safetensors", lambda n: opened(long_shape(n))),
    "safetensors of one place": Family("modelfile.safetensors", lambda n: opened(overlapping(n))),
    "safetensors of notes": Family("modelfile.safetensors", lambda n: opened(notes(n))),
    "GGUF of many tensors": Family("modelfile.gguf", lambda n: opened(gguf_files.model(named(n)))),
    "GGUF of arrays in arrays": Family("modelfile.gguf", lambda n: opened(gguf_arrays(n))),
    "GGUF of much metadata": Family("modelfile.gguf", lambda n: opened(gguf_pairs(n))),
    "HDF5 of many datasets": Family(
        "modelfile.hdf5",
        lambda n: opened(hdf5_files.hdf5_file(named(n))),
    ),
    "HDF5 of a tree in itself": Family("modelfile.hdf5", lambda n: opened(tree_of_itself(n))),
    "HDF5 of leaves that are shared": Family("modelfile.hdf5", lambda n: opened(leaves_shared(n))),
    "HDF5 of a header in itself": Family("modelfile.hdf5", lambda n: opened(messages_again(n))),
    "NumPy of a long shape": Family("modelfile.npy", lambda n: opened(npy_shape(n))),
    "NumPy that nests": Family("modelfile.npy", lambda n: opened(npy_nested(n))),
    "zip of entries in one place": Family(
        "modelfile.zipped", lambda n: opened(overlapping_entries(n))
    ),
    "PyTorch of many storages": Family("modelfile.zipped", lambda n: opened(storages(n))),
    "PyTorch of a pickle with a long name": Family(
        "modelfile.storage_pickle", lambda n: opened(long_name(n))
    ),
    "PyTorch of tuples doubled": Family(
        "modelfile.storage_pickle", lambda n: opened(pickled(b")" + b"q\0h\0\x86" * n))
    ),
    "PyTorch of marks": Family(
        "modelfile.storage_pickle", lambda n: opened(pickled(b"(" * n + b"t" * n))
    ),
    "TFLite of many tensors": Family(
        "modelfile.tflite", lambda n: opened(tflite_files.network(named(n)))
    ),
    "TFLite of subgraphs that share tensors": Family(
        "modelfile.tflite", lambda n: opened(tflite_shared(n))
    ),
    "ONNX of many tensors": Family(
        "modelfile.onnx", lambda n: opened(onnx_files.network(named(n)))
    ),
    "ONNX of graphs in graphs": Family("modelfile.onnx", lambda n: opened(onnx_nested(n))),
    "ONNX of one name": Family("modelfile.onnx", lambda n: opened(onnx_unnamed(n))),
    "ONNX of empty nodes": Family("modelfile.onnx", lambda n: opened(onnx_empty(n))),
    "Core ML of loops in loops": Family("modelfile.coreml", lambda n: opened(coreml_nested(n))),
    "Core ML of many blobs": Family("modelfile.coreml_weights", lambda n: opened(blobs(n))),
    "OpenVINO of many tensors": Family("modelfile.openvino", lambda n: opened(openvino(n))),
    "OpenVINO that nests": Family("modelfile.openvino", lambda n: opened(openvino_deep(n))),
    "a folder of models and data": Family("modelfile.folder", folder),
    "tensors of other names": Family("models.making.pairing", pairs, 300),
    "modules with coefficients": Family("models.making.merging", adapters),
    "a module of a deep name": Family("models.making.merging", deep_name, 200),
    "large files of other names": Family("models.making.segments", twins),
    "tensors with bytes between them": Family("models.making.segments", segments, 400),
    "tensors to be listed": Family("models.making.indexable", weighed),
    "a comparison of many tensors": Family("models.comparing.diffing", differing),
    "a fingerprint of many tensors": Family("models.comparing.fingerprints", fingerprinted),
    "offers in a row": Family("models.chains.routes", in_a_row),
    "offers side by side": Family("models.chains.routes", side_by_side),
    "a name as long as one likes": Family("models.applying.near_names", misspelt),
    "many names that are alike": Family(
        "models.applying.near_names", many_names, 1000, memory=False
    ),
}
