"""Element types.

A type is its name, its width and how its bits order: floating-point types are
sign and magnitude, with an exponent above the mantissa; integers are two's
complement or unsigned. Nothing here computes with values: Sapwood moves bit
patterns, and no NaN payload, negative zero or denormal is special to it.
"""

from __future__ import annotations

import enum
from typing import Literal

Family = Literal["float", "int", "uint"]


class DType(enum.Enum):
    """An element type: (name, code in the kernel, bytes, family, mantissa bits).

    The names are those of the patch format (`spec/patch-v1.md`, Element types).
    """

    BF16 = ("bf16", 0, 2, "float", 7)
    F16 = ("f16", 1, 2, "float", 10)
    F32 = ("f32", 2, 4, "float", 23)
    F64 = ("f64", 3, 8, "float", 52)
    F8_E4M3 = ("f8_e4m3", 4, 1, "float", 3)
    F8_E5M2 = ("f8_e5m2", 5, 1, "float", 2)
    I8 = ("i8", 6, 1, "int", 0)
    I16 = ("i16", 7, 2, "int", 0)
    I32 = ("i32", 8, 4, "int", 0)
    I64 = ("i64", 9, 8, "int", 0)
    U8 = ("u8", 10, 1, "uint", 0)
    U16 = ("u16", 11, 2, "uint", 0)
    U32 = ("u32", 12, 4, "uint", 0)
    U64 = ("u64", 13, 8, "uint", 0)
    BOOL = ("bool", 14, 1, "uint", 0)
    BYTES = ("bytes", 15, 1, "uint", 0)

    def __init__(self, label: str, code: int, size: int, family: Family, mantissa: int) -> None:
        self.label = label
        self.code = code
        self.size = size  # bytes an element
        self.family = family
        self.mantissa = mantissa  # explicit mantissa bits; 0 for integers

    @classmethod
    def named(cls, label: str) -> DType:
        """The type that the patch format calls so.

        Raises:
            KeyError: no type has that name.
        """
        return _BY_LABEL[label]

    def __str__(self) -> str:
        return self.label


_BY_LABEL = {dtype.label: dtype for dtype in DType}

BY_FULL_NAME = {
    "bfloat16": DType.BF16, "float16": DType.F16, "float32": DType.F32, "float64": DType.F64,
    "float8_e4m3fn": DType.F8_E4M3, "float8_e5m2": DType.F8_E5M2,
    "int8": DType.I8, "int16": DType.I16, "int32": DType.I32, "int64": DType.I64,
    "uint8": DType.U8, "uint16": DType.U16, "uint32": DType.U32, "uint64": DType.U64,
    "bool": DType.BOOL,
}  # fmt: skip
"""Types by the names that NumPy, ml_dtypes and PyTorch give them; `DType.BYTES` has none."""
