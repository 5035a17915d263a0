"""One chunk: its codings, and the way through the kernel in both directions.

A chunk is coded, hashed and decoded alone. Its bytes are little-endian elements
of one type. The kernel's errors become ours here, and nowhere else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from sapwood import _kernel
from sapwood._kernel import Tables
from sapwood.content.content import Bytes
from sapwood.errors import InvalidPatch
from sapwood.tensors import DType

Levels: TypeAlias = npt.NDArray[np.int16]

ANY_PATH = -1  # the best that this processor has
INLINE = -1  # tables travel in the payload
MOST_TABLES = 256  # sets in a patch; each takes half a MiB unpacked
STILL = -32768  # the level of a row in which nothing changes
EDGE_ORIGIN = 28  # measured half octaves; under Levelling.EDGES the level of an error of one ULP
QUANTS_LEVEL = -2  # of the rows of quants under Levelling.EDGES: their edges are their contexts
NO_LEVELS: Levels = np.empty(0, np.int16)


class Coding(enum.StrEnum):
    """How a chunk is coded; the letters of the patch format."""

    COPY = "c"  # equals the base
    RESIDUAL = "u"  # ULP residuals of all elements
    SPARSE = "s"  # positions and residuals of the changed elements
    VALUE = "v"  # floating-point elements by themselves
    SPLICE = "x"  # copies from anywhere in the base, and new bytes
    COMPRESSED = "z"  # a zstd frame
    PREFIXED = "p"  # a zstd frame that goes on from a part of the base
    BLOCKS = "b"  # quantised blocks, each kind of number in them apart
    RAW = "r"  # the bytes


ELSEWHERE = frozenset({Coding.SPLICE, Coding.PREFIXED})  # these read any place of the first base


class Levelling(enum.Enum):
    """What a coding knows of an update's size before it sees the residuals.

    Each is (context of the format, slack): rows whose levels differ by no more than the
    slack, in half octaves, share one: with the row before, or under EDGES with the tensor,
    whose few changes a row say little of its own level. See spec/patch-v1.md, Contexts and levels.
    """

    NONE = (0, 0)  # nothing, the exponent neither
    TENSOR = (1, 0)  # one level
    RUNS = (2, 3)  # a level a row, smoothed: cheap enough for sparse updates
    ROWS = (2, 0)  # a level a row
    EDGES = (3, 3)  # how near each prediction lies to a rounding boundary, and a level a row

    def __init__(self, context: int, slack: int) -> None:
        self.context = context
        self.slack = slack


@dataclasses.dataclass(frozen=True, slots=True)
class TensorCoding:
    """How the chunks of a tensor are to be coded, if nothing smaller is found.

    Attributes:
        coding: RESIDUAL, SPARSE, VALUE, COMPRESSED, RAW or BLOCKS.
        levelling: levelling of RESIDUAL and SPARSE; EDGES is for RESIDUAL alone.
        shift: half octaves taken from every measured level; EDGES has no use for it.
        level: the one level of the tensor, for Levelling.TENSOR and EDGES, measured
            (unshifted).
        table: number of the tables among the patch's, for RESIDUAL, SPARSE and VALUE; INLINE
            where they travel in the payload.
        bits: expected bits an element.
        unseen_changes: whether the samples showed no change, so that what changed was not seen.
        planes: how each plane of a chunk of BLOCKS is to be coded, in order.
    """

    coding: Coding
    levelling: Levelling = Levelling.NONE
    shift: int = 0
    level: int = 0
    table: int = 0
    bits: float = 0.0
    unseen_changes: bool = False
    planes: tuple[TensorCoding, ...] = ()


@contextlib.contextmanager
def _kernel_errors() -> Iterator[None]:
    """Turns the kernel's verdict on a payload into ours."""
    try:
        yield
    except _kernel.CorruptPayload as e:
        raise InvalidPatch(f"damaged chunk: {e}; get the patch anew") from e


EDGE_CONTEXTS = 3  # in the two low bits of a payload's flags


def uses_edges(coding: Coding, payload: Bytes) -> bool:
    """Whether decoding a payload takes the prediction's edges."""
    return coding is Coding.RESIDUAL and len(payload) > 0 and payload[0] & 3 == EDGE_CONTEXTS


def parse_tables(data: Bytes) -> Tables:
    """One set of tables from its serialised form.

    Raises:
        InvalidPatch: the bytes are no tables.
    """
    with _kernel_errors():
        return _kernel.Tables.parse(data)


def empty_tables() -> bytes:
    """The shortest serialised set of tables; in place of one, it keeps the numbers of the rest."""
    return Tables.build(0, np.zeros((33, 256), np.uint32), [], [], 0).serialised()


def _shifted(levels: Levels, shift: int) -> Levels:
    """Measured levels as the format has them; still rows stay still."""
    moved = np.clip(levels.astype(np.int32) - shift, -8191, 8191)
    return np.where(levels == STILL, STILL, moved).astype(np.int16)


def settled(levels: Levels, level: int, slack: int) -> Levels:
    """Measured levels, the tensor's in place of those within the slack of it; not of still rows."""
    near = (np.abs(levels.astype(np.int32) - level) <= slack) & (levels != STILL)
    return np.where(near, level, levels).astype(np.int16)


def edge_levels(dtype: DType, measured: Levels, level: int) -> Levels:
    """The levels of a payload under Levelling.EDGES, from those measured of rows and tensor.

    The edge of a quant says more of its residual than a level of its row could, but in a still
    row it says nothing.
    """
    if dtype.family != "float":
        return np.where(measured == STILL, STILL, QUANTS_LEVEL).astype(np.int16)
    return _shifted(settled(measured, level, Levelling.EDGES.slack), EDGE_ORIGIN)


def encode_chunk(
    tensor_coding: TensorCoding,
    dtype: DType,
    base: Bytes | None,
    target: Bytes,
    row_length: int,
    tables: Tables,
    edges: Bytes | None = None,
) -> bytes:
    """The payload of a chunk by a tensor coding of the coding RESIDUAL, SPARSE or VALUE.

    Args:
        tensor_coding: the coding that `plan_tensors` gave the tensor.
        dtype: type of the elements.
        base: little-endian elements, as many as in `target`; None only for VALUE.
        target: little-endian elements, contiguous.
        row_length: elements a row; the chunk starts with a row.
        tables: the tables that the tensor coding names.
        edges: edges of the base's elements, a byte each; needed for Levelling.EDGES alone.
    """
    if tensor_coding.coding is Coding.VALUE or base is None:
        return _kernel.encode_value(dtype.code, target, tables, tensor_coding.table)
    match tensor_coding.levelling:
        case Levelling.NONE:
            levels = NO_LEVELS
        case Levelling.TENSOR:
            levels = _shifted(np.array([tensor_coding.level], np.int16), tensor_coding.shift)
        case Levelling.EDGES:
            measured = _kernel.row_levels(dtype.code, base, target, row_length)
            levels = edge_levels(dtype, measured, tensor_coding.level)
        case Levelling.RUNS | Levelling.ROWS:
            slack = tensor_coding.levelling.slack
            measured = _kernel.row_levels(dtype.code, base, target, row_length, slack)
            levels = _shifted(measured, tensor_coding.shift)
        case other:
            assert_never(other)
    arguments = (dtype.code, base, target, row_length, tensor_coding.levelling.context, levels)
    if tensor_coding.coding is Coding.SPARSE:
        return _kernel.encode_sparse(*arguments, tables, tensor_coding.table)
    if tensor_coding.levelling is not Levelling.EDGES:
        edges = None
    return _kernel.encode_residual(*arguments, tables, tensor_coding.table, edges=edges)


def decode_chunk(
    coding: Coding,
    dtype: DType,
    payload: Bytes,
    base: Bytes | None,
    out: Bytes,
    row_length: int,
    tables: Sequence[Tables],
    edges: Bytes | None = None,
) -> None:
    """Writes the elements of a chunk of the coding RESIDUAL, SPARSE or VALUE to `out`.

    Args:
        coding: coding of the chunk.
        dtype: type of the elements.
        payload: the whole payload.
        base: as many elements as in `out`, or `out` itself for an update in place; None for
            VALUE.
        out: the caller's memory; what is in it after an error is unspecified.
        row_length: elements a row.
        tables: tables of the patch, by number.
        edges: edges of the base's elements, a byte each, where `uses_edges` says so.

    Raises:
        InvalidPatch: the payload is damaged or hostile, or needs edges and there are none.
            Nothing outside `out` changed.
    """
    with _kernel_errors():
        if coding is Coding.VALUE:
            _kernel.decode_value(dtype.code, payload, out, list(tables))
            return
        if base is None:
            raise InvalidPatch("damaged index: a residual without a base; get the patch anew")
        arguments = (dtype.code, payload, base, out, row_length, list(tables), ANY_PATH)
        if coding is Coding.SPARSE:
            _kernel.decode_sparse(*arguments)
        else:
            _kernel.decode_residual(*arguments, edges)
