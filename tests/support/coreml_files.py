"""Core ML files for tests, written by hand: neural networks, and weights of programs."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.tensors import DType
from support.model_files import Array, weights
from support.protobuf_writer import field, fields


def floats(array: Array) -> bytes:
    """Weights as packed f32 or as f16."""
    return field(1 if array.itemsize == 4 else 2, array.tobytes())


def layer(name: str, number: int, parameters: bytes) -> bytes:
    """A layer of a network: 100 is a convolution, 140 an inner product, 615 a loop, ..."""
    return field(1, name) + fields(2, ["in"]) + fields(3, ["out"]) + field(number, parameters)


def dense(name: str, weight: Array, bias: Array | None = None) -> bytes:
    """An inner product."""
    sides = field(1, weight.shape[1]) + field(2, weight.shape[0])
    tail = b"" if bias is None else field(10, 1) + field(21, floats(bias))
    return layer(name, 140, sides + field(20, floats(weight)) + tail)


def network(layers: Sequence[bytes]) -> bytes:
    """A neural network."""
    return fields(1, layers)


def model(kind: int, content: bytes) -> bytes:
    """A model: 500 is a neural network, 202 a pipeline, 502 a program, ..."""
    return field(1, 4) + field(2, field(1, field(1, "input"))) + field(kind, content)


def everything() -> bytes:
    """A small file with weights in every kind of place."""
    a, b = weights(1, (3, 4), DType.F32), weights(2, (3,), DType.F16)
    quantised = field(31, b"12345") + field(30, b"6789") + field(40, field(1, 8))
    loop = field(4, network([dense("in loop", a)]))
    lstm = field(20, field(1, floats(a)) + field(62, floats(b)))
    layers = [
        dense("dense", a, b),
        layer("conv", 100, field(90, quantised)),
        layer("prelu", 130, field(25, field(1, floats(b)))),
        layer("lstm", 430, lstm + lstm),
        layer("loop", 615, loop),
        layer("pool", 120, field(90, floats(a))),
    ]
    inner = model(500, network(layers))
    return model(202, field(1, inner) + field(1, inner))


def blob_storage(blobs: Sequence[tuple[int, bytes]], *, count: int | None = None) -> bytes:
    """A weight file of blobs, each an element type and its bytes."""
    out = bytearray((len(blobs) if count is None else count).to_bytes(4, "little"))
    out += b"\2" + bytes(59)
    for kind, data in blobs:
        out += bytes(-len(out) % 64)
        out += blob_header(kind, len(data), len(out) + 64) + data
    return bytes(out)


def blob_header(kind: int, size: int, offset: int) -> bytes:
    """The 64 bytes in front of a blob."""
    head = 0xDEADBEEF.to_bytes(4, "little") + kind.to_bytes(4, "little")
    return head + size.to_bytes(8, "little") + offset.to_bytes(8, "little") + bytes(40)
