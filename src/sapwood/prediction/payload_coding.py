"""Codes factors as a payload of a patch; `payload` decodes them."""

from __future__ import annotations

import numpy as np

from sapwood.codec.chunk import encode_chunk
from sapwood.codec.local import plan_residual
from sapwood.prediction.factors import Factors
from sapwood.prediction.payload import payload_row
from sapwood.tensors import DType


def encode_factors(factors: Factors) -> bytes:
    """The payload of factors: the residual coding of their integers, unshifted, against zeros.

    All left factors, then all right ones, as `Factors` has them, in rows of `payload_row`.
    """
    numbers = np.concatenate([factors.left.ravel(), factors.right.ravel()]).astype("<i4")
    target = numbers.view(np.uint8)
    zeros = np.zeros_like(target)
    row = payload_row(factors.rows, factors.columns)
    tensor_coding, tables = plan_residual(DType.I32, zeros, target, row)
    return encode_chunk(tensor_coding, DType.I32, zeros, target, row, tables)
