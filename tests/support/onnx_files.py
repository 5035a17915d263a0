"""ONNX files for tests, written by hand: models, graphs, nodes and tensors of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sapwood.tensors import DType
from support.model_files import Array, weights
from support.protobuf_writer import field, fields, packed
from support.strategies import NUMPY_TYPES

KINDS = {
    DType.F32: 1, DType.U8: 2, DType.I8: 3, DType.U16: 4, DType.I16: 5, DType.I32: 6,
    DType.I64: 7, DType.BOOL: 9, DType.F16: 10, DType.F64: 11, DType.U32: 12, DType.U64: 13,
    DType.BF16: 16, DType.F8_E4M3: 17, DType.F8_E5M2: 19,
}  # fmt: skip
KIND_OF = {np.dtype(kind): KINDS[dtype] for dtype, kind in NUMPY_TYPES.items()}


def raw(name: str, array: Array, kind: int | None = None) -> bytes:
    """A tensor with `raw_data`, as most writers make it: the data last, the name before."""
    kind = KIND_OF[array.dtype] if kind is None else kind
    return fields(1, array.shape) + field(2, kind) + field(8, name) + field(9, array.tobytes())


def typed(name: str, array: Array) -> bytes:
    """A tensor in the typed field of its type: elements for floats, varints for integers."""
    kind = KIND_OF[array.dtype]
    if kind in (1, 11):
        data = field(4 if kind == 1 else 10, array.tobytes())
    elif kind in (7, 13):
        data = packed(7 if kind == 7 else 11, array.ravel().tolist())
    else:
        words = array.view(np.uint16) if kind in (10, 16) else array
        data = packed(5, words.ravel().astype(np.int64).tolist())
    return packed(1, array.shape) + field(2, kind) + data + field(8, name)


def external(name: str, shape: Sequence[int], location: str) -> bytes:
    """A tensor whose elements are in another file."""
    entry = field(1, "location") + field(2, location)
    return fields(1, shape) + field(2, 1) + field(8, name) + field(13, entry) + field(14, 1)


def sparse(name: str, values: Array, indices: Array) -> bytes:
    """A sparse tensor: values, indices and the dense shape."""
    return field(1, raw(name, values)) + field(2, raw("", indices)) + field(3, 100)


def attribute(name: str, number: int, value: bytes) -> bytes:
    """An attribute: 5 a tensor, 6 a graph, 10 and 11 lists of them, 22 a sparse tensor."""
    return field(1, name) + field(number, value) + field(20, 4)


def node(kind: str, outputs: Sequence[str], attributes: Sequence[bytes] = ()) -> bytes:
    """A node of a graph."""
    return fields(1, ["x"]) + fields(2, outputs) + field(4, kind) + fields(5, attributes)


def constant(output: str, tensor: bytes) -> bytes:
    """A node that makes a constant."""
    return node("Constant", [output], [attribute("value", 5, tensor)])


def graph(
    nodes: Sequence[bytes] = (), tensors: Sequence[bytes] = (), sparse: Sequence[bytes] = ()
) -> bytes:
    """A graph, in the order of its field numbers, as upstream writes it."""
    return (
        fields(1, nodes)
        + field(2, "main")
        + fields(5, tensors)
        + field(11, field(1, "input"))
        + field(12, field(1, "output"))
        + fields(15, sparse)
    )


def model(graph: bytes, *, front: bytes = b"", tail: bytes = b"") -> bytes:
    """A model of one graph; `front` before the graph, `tail` after it."""
    return (
        field(1, 8) + field(2, "writer") + front + field(7, graph) + field(8, field(2, 17)) + tail
    )


def network(arrays: Mapping[str, Array]) -> bytes:
    """A model with these initializers and a node for each."""
    nodes = [node("MatMul", [f"{name}_out"]) for name in arrays]
    return model(graph(nodes, [raw(name, array) for name, array in arrays.items()]))


def everything() -> bytes:
    """A small file with a tensor in every place that may hold one."""
    small = weights(1, (2, 3), DType.F32)
    inner = graph([constant("c", raw("", small))], [raw("w", weights(2, (4,), DType.F16))])
    branch = node("If", ["y"], [attribute("then_branch", 6, inner), attribute("g", 11, inner)])
    function = field(1, "f") + field(7, constant("k", typed("", small)))
    training = field(1, graph([], [raw("step", weights(3, (3,), DType.F64))]))
    listed = node("Custom", ["z"], [attribute("list", 10, raw("a", small))])
    return model(
        graph(
            [constant("c", typed("t", small)), branch, listed],
            [raw("w", small), typed("i", weights(4, (5,), DType.I64)), external("e", [9], "data")],
            [sparse("s", small, np.arange(6))],
        ),
        tail=field(20, training) + field(25, function),
    )
