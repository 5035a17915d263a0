"""The residual codec: chunks of elements to payloads and back.

What is here knows elements, not files: `survey` measures a tensor, `planning`
decides from surveys alone which coding and which tables each tensor gets, and
`chunk` does what was decided with the native kernel.
"""

from typing import TYPE_CHECKING

from sapwood import lazy

if TYPE_CHECKING:
    from sapwood._kernel import Tables as Tables
    from sapwood.codec.chunk import (
        MOST_TABLES as MOST_TABLES,
        Coding as Coding,
        TensorCoding as TensorCoding,
        decode_chunk as decode_chunk,
        empty_tables as empty_tables,
        encode_chunk as encode_chunk,
        parse_tables as parse_tables,
    )
    from sapwood.codec.planning import CodingPlan as CodingPlan, plan_tensors as plan_tensors
    from sapwood.codec.survey import Survey as Survey, survey_tensor as survey_tensor
else:
    __all__, __getattr__, __dir__ = lazy.door(
        __name__,
        {
            "sapwood._kernel": ["Tables"],
            "sapwood.codec.chunk": [
                "MOST_TABLES",
                "Coding",
                "TensorCoding",
                "decode_chunk",
                "empty_tables",
                "encode_chunk",
                "parse_tables",
            ],
            "sapwood.codec.planning": ["CodingPlan", "plan_tensors"],
            "sapwood.codec.survey": ["Survey", "survey_tensor"],
        },
    )
