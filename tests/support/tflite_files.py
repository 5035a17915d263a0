"""TFLite files for tests, written by hand: models, subgraphs, tensors and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sapwood.tensors import DType
from support.flatbuffer_writer import Part, file, integer, packed, table, vector
from support.model_files import Array, weights
from support.strategies import NUMPY_TYPES

TYPES = {
    DType.F32: 0, DType.F16: 1, DType.I32: 2, DType.U8: 3, DType.I64: 4, DType.BOOL: 6,
    DType.I16: 7, DType.I8: 9, DType.F64: 10, DType.U64: 12, DType.U32: 15, DType.U16: 16,
    DType.BF16: 18,
}  # fmt: skip
TYPE_OF = {np.dtype(NUMPY_TYPES[dtype]): number for dtype, number in TYPES.items()}


def buffer(data: bytes = b"") -> Part:
    """A buffer with these elements."""
    return table(packed(data, alignment=16)) if data else table()


def distant(offset: int, size: int) -> Part:
    """A buffer whose elements lie elsewhere in the file."""
    return table(None, integer(offset, 8), integer(size, 8))


def tensor(
    name: str,
    kind: int,
    shape: Sequence[int],
    index: int,
    scales: npt.NDArray[np.float32] | None = None,
) -> Part:
    """A tensor of a subgraph that uses the buffer of that index."""
    quantisation = None
    if scales is not None:
        zeros = np.zeros(len(scales), np.int64)
        quantisation = table(None, None, packed(scales.tobytes(), 4), packed(zeros.tobytes(), 8, 8))
    sides = packed(b"".join(integer(side, 4) for side in shape), 4)
    label = packed(name.encode()) if name else None
    return table(sides, integer(kind, 1), integer(index, 4), label, quantisation)


def model(
    tensors: Sequence[Part],
    buffers: Sequence[Part],
    tail: bytes = b"",
    *,
    others: Sequence[Sequence[Part]] = (),
) -> bytes:
    """A model of one subgraph with these tensors, and others. Buffer 0 must be empty."""
    subgraphs = vector([table(vector(graph)) for graph in (tensors, *others)])
    root = table(integer(3, 4), vector([]), subgraphs, packed(b"made by hand"), vector(buffers))
    return file(root, b"TFL3") + tail


def network(
    arrays: Mapping[str, Array], scales: Mapping[str, npt.NDArray[np.float32]] | None = None
) -> bytes:
    """A model of these tensors, each with a buffer of its own, and an input without."""
    tensors = [tensor("input", 0, (1, 8), 0)]
    tensors += [
        tensor(name, TYPE_OF[array.dtype], array.shape, i, (scales or {}).get(name))
        for i, (name, array) in enumerate(arrays.items(), start=1)
    ]
    return model(tensors, [buffer(), *(buffer(array.tobytes()) for array in arrays.values())])


def large(arrays: Mapping[str, Array]) -> bytes:
    """A model as those above 2 GB are: all elements behind the FlatBuffer."""
    tensors = [
        tensor(name, TYPE_OF[array.dtype], array.shape, i)
        for i, (name, array) in enumerate(arrays.items(), start=1)
    ]

    def written(start: int) -> bytes:
        places, data = [], bytearray()
        for array in arrays.values():
            data += bytes(-(start + len(data)) % 16)
            places.append(distant(start + len(data), array.nbytes))
            data += array.tobytes()
        front = model(tensors, [distant(1, 1), *places])
        return front + bytes(max(0, start - len(front))) + data

    return written(len(written(2)))


def small() -> bytes:
    """A small int8 model with scales and a float tensor."""
    arrays = {
        "weight": weights(1, (4, 6), DType.I8),
        "bias": weights(2, (4,), DType.I32),
        "scale": weights(3, (2, 2), DType.F32),
    }
    return network(arrays, {"weight": np.linspace(0.1, 0.4, 4).astype(np.float32)})
