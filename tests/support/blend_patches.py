"""Patches whose prediction is a blend, put together by hand: every chunk is a copy of it."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from sapwood import create_patch
from sapwood.patch.format.serialising import factors_fields
from sapwood.patch.making.choosing import factors_entry
from sapwood.prediction.factors import Factors
from sapwood.prediction.payload_coding import encode_factors
from sapwood.tensors import DType
from support.patch_writer import Parts, parts_of
from support.reference_prediction import LowRank, predicted
from support.strategies import numpy_type, word_type

Array = npt.NDArray[Any]
ROUNDING = {False: "once", True: "each"}


def coefficient_hex(number: float) -> str:
    """A binary64 number as the index has it."""
    return struct.pack(">d", number).hex()


@dataclasses.dataclass(frozen=True)
class BlendCase:
    """A blend of whole tensors.

    Attributes:
        dtype, shape: of bases and target.
        bases: words of each.
        coefficients: of each.
        each: whether every step is rounded.
        factors: of the low-rank part, or None.
    """

    dtype: DType
    shape: tuple[int, ...]
    bases: Sequence[Array]
    coefficients: Sequence[float]
    each: bool = False
    factors: Factors | None = None

    def target(self) -> Array:
        """Words of the target, by the reference."""
        low_rank = None
        if self.factors is not None:
            left, right = self.factors.effective()
            low_rank = LowRank(left, right, self.factors.exponent)
        words, _ = predicted(
            self.dtype, list(self.bases), list(self.coefficients), low_rank, each=self.each
        )
        return words

    def tensors(self) -> list[Array]:
        """The bases as callers hold them."""
        return [one.view(numpy_type(self.dtype)).reshape(self.shape) for one in self.bases]

    def parts(self) -> Parts:
        """The patch, to be changed or written."""
        target = self.target()
        chunk = max(1, len(target) // 2)
        data = target.astype(word_type(self.dtype)).view(np.uint8)
        held = data.view(numpy_type(self.dtype)).reshape(self.shape)
        first = self.tensors()[0] if self.bases else held
        parts = parts_of(create_patch(first, held, compress=False, threads=1).to_bytes())
        size = self.dtype.size
        pieces = [data[at : at + chunk * size] for at in range(0, len(data), chunk * size)]
        payload = b"" if self.factors is None else encode_factors(self.factors)
        parts.header["bases"] = [digest(one) for one in self.bases] or [digest(target)]
        parts.segment.update(
            prediction=self.prediction(payload),
            chunk=chunk,
            codings="c" * len(pieces),
            sizes=[0] * len(pieces),
            digests="".join(blake3(one.tobytes()).digest(16).hex() for one in pieces),
        )
        parts.body = payload
        parts.tables = []
        return parts

    def prediction(self, payload: bytes) -> dict[str, Any]:
        """The field of the index."""
        factors = self.factors
        return {
            "kind": "blend",
            "terms": [
                {"base": i, "offset": 0, "coefficient": coefficient_hex(c)}
                for i, c in enumerate(self.coefficients)
            ],
            "rounding": ROUNDING[self.each],
            "factors": None if factors is None else factors_fields(factors_entry(factors, payload)),
        }

    def patch(self) -> bytes:
        """The patch file."""
        return self.parts().write()


def digest(words: Array) -> dict[str, Any]:
    """A base's entry in the header."""
    data = words.tobytes()
    return {"size": len(data), "blake3": blake3(data).hexdigest()}


def some_factors(
    matrices: int, rows: int, columns: int, rank: int, seed: int, bits: int = 10
) -> Factors:
    """Factors of random integers, whose products are of the size of weights' updates."""
    rng = np.random.default_rng(seed)
    limit = 1 << bits
    return Factors(
        left=rng.integers(-limit, limit, (matrices, rank, rows), dtype=np.int32),
        right=rng.integers(-limit, limit, (matrices, rank, columns), dtype=np.int32),
        left_shifts=tuple(rng.integers(0, 3, matrices * rank).tolist()),
        right_shifts=tuple(rng.integers(0, 3, matrices * rank).tolist()),
        exponent=-10 - 2 * bits,
    )
