"""Element types, shapes and byte order; views of the memory of arrays and tensors."""

from sapwood.tensors.conversion import converted
from sapwood.tensors.dtypes import DType
from sapwood.tensors.making import FRAMEWORKS, made
from sapwood.tensors.memory import (
    TensorView,
    check_out,
    copy_into,
    is_torch_tensor,
    restore,
    view,
    writable,
)
from sapwood.tensors.spec import TensorSpec

__all__ = [
    "FRAMEWORKS",
    "DType",
    "TensorSpec",
    "TensorView",
    "check_out",
    "converted",
    "copy_into",
    "is_torch_tensor",
    "made",
    "restore",
    "view",
    "writable",
]
