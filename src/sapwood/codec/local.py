"""Plans one chunk by itself, where its tensor's samples missed what it holds."""

from __future__ import annotations

import dataclasses

from sapwood._kernel import Tables
from sapwood.codec.chunk import INLINE, Bytes, Recipe
from sapwood.codec.planning import plan_tensors
from sapwood.codec.survey import survey_tensor
from sapwood.tensors import DType


def plan_locally(
    dtype: DType,
    base: Bytes | None,
    target: Bytes,
    row_length: int,
    edges: Bytes | None = None,
) -> tuple[Recipe, Tables | None]:
    """A recipe from all of the chunk's elements, and the tables to carry in its payload.

    Args:
        dtype: of the elements.
        base: as long as `target`, or None.
        target: little-endian elements.
        row_length: elements a row.
        edges: one byte an element, where `base` is a prediction that has them.

    Returns:
        The recipe, and None in place of tables where none are needed.
    """
    survey = survey_tensor(dtype, base, target, row_length, sampled=False, edges=edges)
    plan = plan_tensors([survey])
    recipe = plan.recipes[0]
    if not plan.tables:
        return recipe, None
    return dataclasses.replace(recipe, table=INLINE), plan.tables[0]
