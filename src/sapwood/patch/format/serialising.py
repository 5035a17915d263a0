"""The front of a patch as bytes; parsing them gives the same parts back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, assert_never

from sapwood.content.zstd import compress
from sapwood.documents import canonical_json
from sapwood.patch.format.file_lists import files_fields
from sapwood.patch.format.front import (
    BYTE_ORDER,
    DIGEST,
    MAGIC,
    MAJOR,
    PREAMBLE,
    VERSION,
    FileDigest,
    Header,
    Segment,
    with_digest,
)
from sapwood.patch.format.predictions import (
    BaseRange,
    BlendEntry,
    CastEntry,
    FactorsEntry,
    GivenFactors,
    Matrix,
    Prediction,
    QuantiseEntry,
)
from sapwood.prediction.factors import LEAST_EXPONENT


def serialise_front(
    header: Header,
    segments: Sequence[Segment],
    tables: Sequence[bytes],
    body_size: int,
    body_digest: bytes,
) -> bytes:
    """The front of a patch.

    Args:
        header: the header, with its counts.
        segments: the entries of the index, in order.
        tables: the serialised sets of tables, by number.
        body_size: bytes of the payloads together.
        body_digest: BLAKE3 of the payloads together, 32 bytes.
    """
    header_bytes = canonical_json.serialise(_header_fields(header))
    index = canonical_json.serialise({"segments": [_segment_fields(s) for s in segments]})
    packed = compress(index, 19 if len(index) < (1 << 20) else 9)
    sets = b"".join(len(one).to_bytes(4, "little") + one for one in tables)
    preamble = PREAMBLE.pack(
        MAGIC,
        MAJOR,
        BYTE_ORDER,
        len(header_bytes),
        len(packed),
        len(index),
        len(sets),
        0,
        body_size,
        body_digest,
        bytes(DIGEST),
    )
    return with_digest(preamble + header_bytes + packed + sets)


def _header_fields(header: Header) -> dict[str, Any]:
    """The header as JSON values."""

    def digest(one: FileDigest) -> dict[str, Any]:
        fields: dict[str, Any] = {"size": one.size, "blake3": one.blake3.hex()}
        if one.sha256 is not None:
            fields["sha256"] = one.sha256.hex()
        if one.name is not None:
            fields["name"] = one.name
        if one.files is not None:
            fields["files"] = files_fields(one.files)
        return fields

    fields: dict[str, Any] = {
        "format": VERSION,
        "kind": header.kind,
        "algorithm": header.algorithm,
        "bases": [digest(one) for one in header.bases],
        "target": digest(header.target),
        "base_format": header.base_format,
        "target_format": header.target_format,
        "byte_order": header.byte_order,
        "counts": dict(header.counts),
        "writer": header.writer,
        "metadata": dict(header.metadata),
        "shape": list(header.shape),
    }
    if header.dtype is not None:
        fields["dtype"] = header.dtype.label
    if header.created_at is not None:
        fields["created_at"] = header.created_at
    return fields


def _segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment as JSON values."""
    fields: dict[str, Any] = {
        "name": segment.name,
        "dtype": segment.dtype.label,
        "shape": list(segment.shape),
        "prediction": _prediction_fields(segment.prediction),
        "row": segment.row_length,
        "chunk": segment.chunk_elements,
        "codings": "".join(chunk.coding.value for chunk in segment.chunks),
        "sizes": [chunk.size for chunk in segment.chunks],
        "digests": b"".join(chunk.digest for chunk in segment.chunks).hex(),
    }
    if segment.blocks is not None:
        fields["blocks"] = segment.blocks.name
    return fields


def _prediction_fields(prediction: Prediction | None) -> dict[str, Any] | None:
    """What a segment is predicted from, as JSON values."""
    match prediction:
        case None:
            return None
        case BaseRange(base, offset):
            return {"kind": "base", "base": base, "offset": offset}
        case CastEntry(base, offset, dtype):
            return {"kind": "cast", "base": base, "offset": offset, "from": dtype.label}
        case QuantiseEntry(base, offset, dtype, block):
            place = {"base": base, "offset": offset, "from": dtype.label}
            return {"kind": "quantise", "type": block, **place}
        case BlendEntry(terms, each, factors):
            return {
                "kind": "blend",
                "terms": [
                    {
                        "base": term.base,
                        "offset": term.offset,
                        "coefficient": _double_hex(term.coefficient),
                    }
                    for term in terms
                ],
                "rounding": "each" if each else "once",
                "factors": factors_fields(factors),
            }
        case _:
            assert_never(prediction)


def _double_hex(number: float) -> str:
    """A binary64 number, its highest byte first."""
    return struct.pack(">d", number).hex()


def _matrix_fields(matrix: Matrix) -> dict[str, Any]:
    """Where a matrix of an adapter lies, as JSON values."""
    return {"base": matrix.base, "offset": matrix.offset, "from": matrix.dtype.label}


def factors_fields(factors: FactorsEntry | GivenFactors | None) -> dict[str, Any] | None:
    """The entry of factors as JSON values."""
    if factors is None:
        return None
    sides = {"rows": factors.rows, "columns": factors.columns, "rank": factors.rank}
    if isinstance(factors, GivenFactors):
        return {
            **sides,
            "left": _matrix_fields(factors.left),
            "right": _matrix_fields(factors.right),
            "layout": "transposed" if factors.transposed else "plain",
            "coefficient": _double_hex(factors.coefficient),
        }
    return {
        **sides,
        "matrices": factors.matrices,
        "scale": factors.exponent - LEAST_EXPONENT,
        "shifts": list(factors.shifts),
        "row": factors.row,
        "size": factors.size,
    }
