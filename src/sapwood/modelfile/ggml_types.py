"""The element types of GGML: how many elements a block has and how many bytes it takes."""

from __future__ import annotations

import dataclasses

from sapwood.tensors import DType


@dataclasses.dataclass(frozen=True, slots=True)
class GgmlType:
    """One type.

    Attributes:
        name: upstream's.
        elements: of a block, which is never shared by two rows.
        nbytes: of a block.
        dtype: of the elements where a block is one; else U8.
    """

    name: str
    elements: int
    nbytes: int
    dtype: DType = DType.U8


def _plain(dtype: DType) -> GgmlType:
    return GgmlType(dtype.name, 1, dtype.size, dtype)


# By upstream's number. What is not here was removed, or came after this was written.
GGML_TYPES = {
    0: _plain(DType.F32),
    1: _plain(DType.F16),
    2: GgmlType("Q4_0", 32, 18),
    3: GgmlType("Q4_1", 32, 20),
    6: GgmlType("Q5_0", 32, 22),
    7: GgmlType("Q5_1", 32, 24),
    8: GgmlType("Q8_0", 32, 34),
    9: GgmlType("Q8_1", 32, 40),
    10: GgmlType("Q2_K", 256, 84),
    11: GgmlType("Q3_K", 256, 110),
    12: GgmlType("Q4_K", 256, 144),
    13: GgmlType("Q5_K", 256, 176),
    14: GgmlType("Q6_K", 256, 210),
    15: GgmlType("Q8_K", 256, 292),
    16: GgmlType("IQ2_XXS", 256, 66),
    17: GgmlType("IQ2_XS", 256, 74),
    18: GgmlType("IQ3_XXS", 256, 98),
    19: GgmlType("IQ1_S", 256, 50),
    20: GgmlType("IQ4_NL", 32, 18),
    21: GgmlType("IQ3_S", 256, 110),
    22: GgmlType("IQ2_S", 256, 82),
    23: GgmlType("IQ4_XS", 256, 136),
    24: _plain(DType.I8),
    25: _plain(DType.I16),
    26: _plain(DType.I32),
    27: _plain(DType.I64),
    28: _plain(DType.F64),
    29: GgmlType("IQ1_M", 256, 56),
    30: _plain(DType.BF16),
    34: GgmlType("TQ1_0", 256, 54),
    35: GgmlType("TQ2_0", 256, 66),
    39: GgmlType("MXFP4", 32, 17),
    40: GgmlType("NVFP4", 64, 36),
    41: GgmlType("Q1_0", 128, 18),
}
