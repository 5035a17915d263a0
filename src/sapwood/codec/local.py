"""Plans one chunk by itself, where its tensor's samples missed what it holds."""

from __future__ import annotations

import dataclasses

from sapwood._kernel import Tables
from sapwood.codec.chunk import INLINE, TensorCoding
from sapwood.codec.planning import numbered, plan_tensors, residual_choice
from sapwood.codec.survey import survey_tensor
from sapwood.content.content import Bytes
from sapwood.tensors import DType


def plan_locally(
    dtype: DType,
    base: Bytes | None,
    target: Bytes,
    row_length: int,
    edges: Bytes | None = None,
) -> tuple[TensorCoding, Tables | None]:
    """A tensor coding from all of the chunk's elements, and the tables to carry in its payload.

    Args:
        dtype: type of the elements.
        base: little-endian elements, as many as in `target`, or None.
        target: little-endian elements, contiguous.
        row_length: elements a row.
        edges: edges of the base's elements, a byte each, where they are known.

    Returns:
        The tensor coding, and None in place of tables where none are needed.
    """
    plan = plan_tensors([survey_tensor(dtype, base, target, row_length, edges=edges)])
    tensor_coding = plan.codings[0]
    if not plan.tables:
        return tensor_coding, None
    return dataclasses.replace(tensor_coding, table=INLINE), plan.tables[0]


def plan_residual(
    dtype: DType, base: Bytes, target: Bytes, row_length: int
) -> tuple[TensorCoding, Tables]:
    """As `plan_locally`, but always of the coding RESIDUAL, with tables."""
    survey = survey_tensor(dtype, base, target, row_length)
    plan = numbered([survey], [residual_choice(survey)])
    return dataclasses.replace(plan.codings[0], table=INLINE), plan.tables[0]
