"""The residual codec: chunks of elements to payloads and back.

What is here knows elements, not files: `survey` measures a tensor, `planning`
decides from surveys alone which coding and which tables each tensor gets, and
`chunk` does what was decided with the native kernel.
"""

from sapwood._kernel import Tables
from sapwood.codec.chunk import (
    Coding,
    Recipe,
    decode_chunk,
    empty_tables,
    encode_chunk,
    parse_tables,
)
from sapwood.codec.planning import MOST_TABLES, Plan, plan_tensors
from sapwood.codec.survey import Survey, survey_tensor

__all__ = [
    "MOST_TABLES",
    "Coding",
    "Plan",
    "Recipe",
    "Survey",
    "Tables",
    "decode_chunk",
    "empty_tables",
    "encode_chunk",
    "parse_tables",
    "plan_tensors",
    "survey_tensor",
]
