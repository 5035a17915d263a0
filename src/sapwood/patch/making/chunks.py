"""Encodes a chunk: tries what can pay, and keeps the smallest.

That is decoded again and compared with the target before it is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sapwood.codec import Coding, CodingPlan, Tables, TensorCoding, encode_chunk
from sapwood.codec.local import plan_locally
from sapwood.content.content import Bytes, Content
from sapwood.content.zstd import compress
from sapwood.errors import SapwoodError
from sapwood.patch.applying.chunks import chunk_digest, decode
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.front import Chunk
from sapwood.patch.making.planes import encode_planes, plane_pairs
from sapwood.patch.making.prefixed import encode_prefixed
from sapwood.patch.making.splice import encode_splice
from sapwood.tensors import DType
from sapwood.tensors.blocks import BlockType

WORTH_A_PREFIX = 64  # bytes of payload; shorter ones have little to lose
SAMPLE = 1 << 16  # bytes that tell whether zstd is worth its time
LUCK = 1.1  # how much better the whole may compress than the sample
SURPRISE = 4.0  # a payload larger than this times its estimate is planned anew


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChunkSource:
    """What a chunk is made from.

    Attributes:
        dtype: type of the elements.
        row_length: elements a row.
        target: bytes of the chunk.
        prediction: as many bytes as in `target`, or None.
        tensor_coding: how the chunks of its tensor are to be coded.
        offset: first byte of the chunk in the whole target.
        whole_base: the first base, which copies refer to.
        copies: copies that were found for this chunk; offsets in the whole files.
        edges: edges of the prediction, a byte an element, where it is a blend; None for others.
        blocks: type of the blocks that the bytes are, or None.
    """

    dtype: DType
    row_length: int
    target: Bytes
    prediction: Bytes | None
    tensor_coding: TensorCoding
    offset: int
    whole_base: Content
    copies: tuple[Copy, ...] = ()
    edges: Bytes | None = None
    blocks: BlockType | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
    """A chunk's entry in the index, its payload, and which of the patch's tables that names."""

    chunk: Chunk
    payload: bytes
    tables: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A payload that may become a chunk's."""

    coding: Coding
    payload: bytes
    tables: tuple[int, ...] = ()


def encode(source: ChunkSource, plan: CodingPlan, level: int, compressing: bool) -> Encoded:
    """The smallest of the codings that a chunk can have.

    Args:
        source: the chunk.
        plan: plan of the patch, for its tables.
        level: level of zstd, 1 to 19.
        compressing: whether codings but COPY and RAW are allowed.

    Raises:
        SapwoodError: what was coded did not come back; there is a fault in a coding.
    """
    digest = chunk_digest(source.target)
    best = _smallest(source, plan, level, compressing)
    if best.coding is not Coding.COPY:
        _check_roundtrip(source, best, plan.tables)
    return Encoded(Chunk(best.coding, len(best.payload), digest), best.payload, best.tables)


def _smallest(
    source: ChunkSource, plan: CodingPlan, level: int, compressing: bool = True
) -> Candidate:
    """The smallest payload that a chunk, or a plane of one, can have; arguments as `encode`."""
    if source.prediction is not None and np.array_equal(source.prediction, source.target):
        return Candidate(Coding.COPY, b"")
    found = _candidates(source, plan, level) if compressing else []
    best = min(found, key=lambda one: len(one.payload), default=None)
    if best is None or len(best.payload) >= len(source.target):
        return Candidate(Coding.RAW, source.target.tobytes())
    return best


def _candidates(source: ChunkSource, plan: CodingPlan, level: int) -> list[Candidate]:
    """Payloads that may be the smallest, the most likely first."""
    found: list[Candidate] = []
    tensor_coding = source.tensor_coding
    if source.copies:
        spliced = encode_splice(source.target, source.offset, source.copies, level)
        found.append(Candidate(Coding.SPLICE, spliced))
    if tensor_coding.coding in {Coding.RESIDUAL, Coding.SPARSE, Coding.VALUE}:
        payload = _coded(source, tensor_coding, plan.tables[tensor_coding.table])
        found.append(Candidate(tensor_coding.coding, payload, (tensor_coding.table,)))
    if source.blocks is not None:
        found.append(_blocks_candidate(source, source.blocks, plan, level))
    if _surprising(source, found):
        local, tables = plan_locally(
            source.dtype, source.prediction, source.target, source.row_length, source.edges
        )
        if tables is not None:
            found.append(Candidate(local.coding, _coded(source, local, tables)))
    least = min((len(one.payload) for one in found), default=len(source.target))
    if source.dtype is DType.BYTES or _worth_compressing(source.target, least):
        found.append(Candidate(Coding.COMPRESSED, compress(source.target.data, level)))
    if source.dtype is DType.BYTES and min(len(one.payload) for one in found) > WORTH_A_PREFIX:
        prefixed = encode_prefixed(
            source.target, source.offset, source.whole_base, source.copies, level
        )
        if prefixed is not None:
            found.append(Candidate(Coding.PREFIXED, prefixed))
    return found


def _blocks_candidate(
    source: ChunkSource, blocks: BlockType, plan: CodingPlan, level: int
) -> Candidate:
    """A chunk of blocks with each of its planes in the smallest coding that this can have."""
    best = [
        _smallest(
            ChunkSource(
                dtype=plane.field.dtype,
                row_length=plane.row_length,
                target=plane.target,
                prediction=plane.prediction,
                edges=plane.edges,
                tensor_coding=tensor_coding,
                offset=source.offset,
                whole_base=source.whole_base,
            ),
            plan,
            level,
        )
        for plane, tensor_coding in zip(
            plane_pairs(blocks, source.prediction, source.target, source.row_length),
            source.tensor_coding.planes,
            strict=True,
        )
    ]
    payload = encode_planes([(one.coding, one.payload) for one in best])
    tables = tuple(dict.fromkeys(table for one in best for table in one.tables))
    return Candidate(Coding.BLOCKS, payload, tables)


def _coded(source: ChunkSource, tensor_coding: TensorCoding, tables: Tables) -> bytes:
    """The payload of a chunk by a tensor coding."""
    return encode_chunk(
        tensor_coding,
        source.dtype,
        source.prediction,
        source.target,
        source.row_length,
        tables,
        source.edges,
    )


def _surprising(source: ChunkSource, found: Sequence[Candidate]) -> bool:
    """Whether the tensor's samples did not show what this chunk holds."""
    if source.prediction is None or source.dtype is DType.BYTES:
        return False
    if source.tensor_coding.coding not in {Coding.RESIDUAL, Coding.SPARSE}:
        return source.tensor_coding.unseen_changes
    expected = source.tensor_coding.bits * len(source.target) / source.dtype.size / 8 + 256
    return any(
        one.coding is source.tensor_coding.coding and len(one.payload) > SURPRISE * expected
        for one in found
    )


def _worth_compressing(target: Bytes, smallest: int) -> bool:
    """Whether zstd could do better than what there is, judged by a sample from the middle."""
    if smallest <= len(target) // 64:
        return False
    if len(target) <= SAMPLE:
        return True
    middle = (len(target) - SAMPLE) // 2
    sample = compress(target[middle : middle + SAMPLE].data, 1)
    return len(sample) / SAMPLE < LUCK * smallest / len(target)


def _check_roundtrip(source: ChunkSource, best: Candidate, tables: Sequence[Tables]) -> None:
    """Decodes what was encoded and compares: a patch that was made is a patch that works."""
    out = np.empty_like(source.target)
    decode(
        best.coding,
        source.dtype,
        np.frombuffer(best.payload, np.uint8),
        source.prediction,
        out,
        source.row_length,
        source.whole_base,
        tables,
        source.edges,
        source.blocks,
    )
    if not np.array_equal(out, source.target):
        raise SapwoodError(
            f"the {best.coding.name} coding did not reproduce its chunk at byte {source.offset}; "
            "no patch was written; please report this"
        )
