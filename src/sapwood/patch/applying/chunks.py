"""Decodes a chunk, whatever its coding. Knows no policy."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from sapwood.codec import Coding, Tables, decode_chunk
from sapwood.content.content import Bytes, Content
from sapwood.content.zstd import decompress_into
from sapwood.errors import InvalidPatch
from sapwood.patch.applying.planes import decode_planes
from sapwood.patch.applying.prefixed import decode_prefixed
from sapwood.patch.applying.splice import decode_splice
from sapwood.patch.format.frames import frame_errors
from sapwood.patch.format.front import CHUNK_DIGEST
from sapwood.tensors import DType
from sapwood.tensors.blocks import BlockType


def chunk_digest(target: Bytes) -> bytes:
    """The digest by which the index knows a chunk's target bytes, 16 bytes."""
    return blake3(target.data).digest(CHUNK_DIGEST)


def decode(
    coding: Coding,
    dtype: DType,
    payload: Bytes,
    prediction: Bytes | None,
    out: Bytes,
    row_length: int,
    whole_base: Content,
    tables: Sequence[Tables],
    edges: Bytes | None = None,
    blocks: BlockType | None = None,
) -> None:
    """Writes a chunk's target bytes to `out`, which the caller owns.

    Args:
        coding: coding of the chunk.
        dtype: type of the elements.
        payload: the whole payload.
        prediction: as many bytes as `out` has, or `out` itself; None where nothing predicts them.
        out: the caller's memory; what is in it after an error is unspecified.
        row_length: elements a row.
        whole_base: the first base, which copies refer to.
        tables: tables of the patch, by number.
        edges: edges of the prediction, a byte an element, where `uses_edges` says so.
        blocks: type of the blocks, for BLOCKS.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    match coding:
        case Coding.COPY:
            if prediction is None:
                raise InvalidPatch("damaged index: a copy without a prediction; get the patch anew")
            out[:] = prediction
        case Coding.RAW:
            out[:] = payload
        case Coding.COMPRESSED:
            with frame_errors("chunk"):
                decompress_into(payload.data, out)
        case Coding.SPLICE:
            decode_splice(payload, whole_base, out)
        case Coding.PREFIXED:
            decode_prefixed(payload, whole_base, out)
        case Coding.RESIDUAL | Coding.SPARSE | Coding.VALUE:
            decode_chunk(coding, dtype, payload, prediction, out, row_length, tables, edges=edges)
        case Coding.BLOCKS:
            if blocks is None:
                raise InvalidPatch("damaged index: blocks of no type; get the patch anew")
            decode_planes(blocks, payload, prediction, out, row_length, tables)
