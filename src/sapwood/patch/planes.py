"""The coding of quantised blocks: a chunk's planes, one payload after another.

Each plane is coded as a chunk of its own elements would be, against the same plane of the
prediction's blocks; the quants against what the scales make of those (`requantising`). See
spec/patch-v1.md, Blocks. Which coding a plane gets is decided in `chunks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from sapwood.codec import Coding, Tables, decode_chunk
from sapwood.codec.blocks import BlockType, Field
from sapwood.codec.chunk import Bytes, uses_edges
from sapwood.codec.requantising import predicted_plane
from sapwood.errors import InvalidPatch
from sapwood.patch.splice import Varints, put_varint
from sapwood.patch.zstd import decompress
from sapwood.tensors import DType


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlanePair:
    """A plane of a target, and what predicts it.

    Attributes:
        field: what it holds.
        row_length: elements a row.
        prediction, target: its bytes.
        edges: of a field on a grid, a byte for each element; None of others.
    """

    field: Field
    row_length: int
    prediction: Bytes
    target: Bytes
    edges: Bytes | None = None


def plane_pairs(
    kind: BlockType, prediction: Bytes | None, target: Bytes, row_length: int
) -> list[PlanePair]:
    """The planes of whole blocks, in order.

    Args:
        kind: of the blocks.
        prediction: as many blocks, or None.
        target: blocks.
        row_length: bytes of blocks a row.
    """
    base = base_planes(kind, prediction, len(target))
    wanted = kind.unpack(target)
    pairs = []
    for number, field in enumerate(kind.fields):
        edges = None if field.grid is None else np.empty_like(wanted[number])
        own = predicted_plane(kind, number, base, wanted[:number], edges)
        rows = plane_row(kind, field, row_length)
        pairs.append(PlanePair(field, rows, own, wanted[number], edges))
    return pairs


def plane_row(kind: BlockType, field: Field, row_length: int) -> int:
    """Elements of a field in a row of so many bytes of whole blocks."""
    return row_length // kind.nbytes * field.count


def base_planes(kind: BlockType, prediction: Bytes | None, size: int) -> list[Bytes]:
    """The planes of a prediction of so many bytes; where there is none, all stands for 0."""
    return kind.zeros(size // kind.nbytes) if prediction is None else kind.unpack(prediction)


def encode_planes(planes: Sequence[tuple[Coding, bytes]]) -> bytes:
    """The payload of a chunk, from those of its planes."""
    payload = bytearray()
    for coding, own in planes:
        payload += coding.value.encode()
        put_varint(payload, len(own))
        payload += own
    return bytes(payload)


def decode_planes(
    kind: BlockType,
    payload: Bytes,
    prediction: Bytes | None,
    out: Bytes,
    row_length: int,
    tables: Sequence[Tables],
) -> None:
    """Writes the blocks of a chunk to `out`.

    Args:
        kind: of the blocks.
        payload: of the chunk.
        prediction: as long as `out`; may be `out` itself. None for zeros.
        out: whole blocks; unspecified after an error.
        row_length: bytes a row.
        tables: of the patch.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    base = base_planes(kind, prediction, len(out))
    planes: list[Bytes] = []
    for number, (coding, part) in enumerate(plane_payloads(payload, len(base))):
        field = kind.fields[number]
        edges = None
        if field.grid is not None and uses_edges(coding, part):
            edges = np.empty_like(base[number])
        own = predicted_plane(kind, number, base, planes, edges)
        rows = plane_row(kind, field, row_length)
        planes.append(decoded_plane(coding, field.dtype, part, own, rows, tables, edges))
    kind.pack(planes, out)


def plane_payloads(payload: Bytes, count: int) -> Iterator[tuple[Coding, Bytes]]:
    """The codings and payloads of so many planes, which are all that there is.

    Raises:
        InvalidPatch: they are cut off, something follows, or no plane can be coded like that.
    """
    at = 0
    for _ in range(count):
        sizes = Varints(payload, at + 1)
        size = sizes.next()
        coding = CODINGS.get(int(payload[at]))
        if coding is None or size > len(payload) - sizes.at:
            raise InvalidPatch("damaged chunk: a plane with no such coding or size; get it anew")
        yield coding, payload[sizes.at : sizes.at + size]
        at = sizes.at + size
    if at != len(payload):
        raise InvalidPatch("damaged chunk: bytes behind its planes; get the patch anew")


# What a plane can be, by the byte that says so.
CODINGS = {
    ord(coding.value): coding
    for coding in (
        Coding.COPY,
        Coding.RESIDUAL,
        Coding.SPARSE,
        Coding.VALUE,
        Coding.COMPRESSED,
        Coding.RAW,
    )
}


def decoded_plane(
    coding: Coding,
    dtype: DType,
    payload: Bytes,
    prediction: Bytes,
    row_length: int,
    tables: Sequence[Tables],
    edges: Bytes | None,
) -> Bytes:
    """A plane of as many bytes as its prediction, new memory or the prediction itself.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    match coding:
        case Coding.COPY if len(payload) == 0:
            return prediction
        case Coding.RAW if len(payload) == len(prediction):
            return payload
        case Coding.COMPRESSED:
            return np.frombuffer(decompress(payload.data, len(prediction), "chunk"), np.uint8)
        case Coding.RESIDUAL | Coding.SPARSE | Coding.VALUE if (
            coding is not Coding.VALUE or dtype.family == "float"
        ):
            out = np.empty_like(prediction)
            decode_chunk(coding, dtype, payload, prediction, out, row_length, tables, edges=edges)
            return out
        case _:
            raise InvalidPatch("damaged chunk: a plane that cannot be coded so; get the patch anew")
