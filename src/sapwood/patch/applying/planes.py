"""Decodes quantised blocks: a chunk's planes, one payload after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sapwood.codec import Coding, Tables, decode_chunk
from sapwood.codec.chunk import ELSEWHERE, uses_edges
from sapwood.codec.requantising import predicted_plane
from sapwood.content.content import Bytes
from sapwood.content.zstd import decompress_into
from sapwood.errors import InvalidPatch
from sapwood.patch.applying.splice import Varints
from sapwood.patch.format.frames import frame_errors
from sapwood.tensors import DType
from sapwood.tensors.blocks import BlockField, BlockType

CODINGS = {ord(one): one for one in Coding if one not in ELSEWHERE | {Coding.BLOCKS}}
"""What a plane can be coded as, by the byte that says so."""


def plane_row(kind: BlockType, field: BlockField, row_length: int) -> int:
    """Elements of a field in a row of `row_length` bytes, which are whole blocks."""
    return row_length // kind.nbytes * field.count


def base_planes(kind: BlockType, prediction: Bytes | None, size: int) -> list[Bytes]:
    """The planes of a prediction of `size` bytes; where there is none, all stands for 0."""
    return kind.zeros(size // kind.nbytes) if prediction is None else kind.unpack(prediction)


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
        kind: type of the blocks.
        payload: payload of the chunk.
        prediction: as many blocks as `out` has, or `out` itself; None for zeros.
        out: the caller's memory for whole blocks; what is in it after an error is unspecified.
        row_length: bytes a row.
        tables: tables of the patch, by number.

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
        planes.append(_decoded_plane(coding, field.dtype, part, own, rows, tables, edges))
    kind.pack(planes, out)


def plane_payloads(payload: Bytes, count: int) -> Iterator[tuple[Coding, Bytes]]:
    """The codings and payloads of `count` planes, which are all that there is.

    Raises:
        InvalidPatch: they are cut off, something follows, or a plane has a coding that none can
            have.
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


def _decoded_plane(
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
            unpacked = np.empty_like(prediction)
            with frame_errors("chunk"):
                decompress_into(payload.data, unpacked)
            return unpacked
        case Coding.RESIDUAL | Coding.SPARSE | Coding.VALUE if (
            coding is not Coding.VALUE or dtype.family == "float"
        ):
            out = np.empty_like(prediction)
            decode_chunk(coding, dtype, payload, prediction, out, row_length, tables, edges=edges)
            return out
        case _:
            raise InvalidPatch("damaged chunk: a plane that cannot be coded so; get the patch anew")
