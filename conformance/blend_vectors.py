"""Conformance vectors of blends: sums of bases and low-rank updates, by the references alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from sapwood.tensors import DType
from support.blend_patches import BlendCase, some_factors
from support.patch_cases import words_of_normals
from support.payload_cases import Case, element_of, make_case
from support.reference_codec import EDGE, ROW
from support.reference_prediction import LowRank, predicted
from support.reference_tables import RESIDUAL
from support.strategies import nasty_words, word_type

TYPES = (DType.BF16, DType.F16, DType.F32)
ROWS, COLUMNS = 8, 64
N = ROWS * COLUMNS
WEIGHTS = (float(np.float32(0.3)), float(np.float32(0.7)))
# 10 bits fit the arithmetic of 16-bit processors' instructions, 22 do not.
BITS = {"narrow": 10, "wide": 22}


@dataclasses.dataclass(frozen=True)
class BlendVector:
    """A case: what it is for, its bases, target and patch."""

    name: str
    about: str
    bases: Sequence[bytes]
    target: bytes
    patch: bytes


def words(dtype: DType, seed: int) -> npt.NDArray[np.unsignedinteger]:
    """Words of weights, nasty ones among them."""
    nasty = nasty_words(dtype)
    found = words_of_normals(dtype, N, seed)
    found[seed : seed + len(nasty)] = nasty
    return found


def sums(dtype: DType, each: bool) -> Iterator[tuple[str, str, BlendCase]]:
    """Every part of a blend alone, and all together."""
    a, b = words(dtype, 5), words(dtype, 6)
    once = (ROWS, COLUMNS)
    stacked = (2, ROWS // 2, COLUMNS)
    yield "terms", "two bases", BlendCase(dtype, once, [a, b], WEIGHTS, each)
    for width, bits in BITS.items():
        factors = some_factors(1, ROWS, COLUMNS, 3, 7, bits)
        case = BlendCase(dtype, once, [a], [1.0], each, factors)
        yield f"factors-{width}", f"one base and factors of {bits} bits", case
    factors = some_factors(2, ROWS // 2, COLUMNS, 2, 8)
    every = BlendCase(dtype, stacked, [a, b], WEIGHTS, each, factors)
    yield "both", "two bases and factors of two matrices", every
    alone = BlendCase(dtype, once, [], [], each, some_factors(1, ROWS, COLUMNS, 8, 9))
    yield "alone", "factors without a base", alone


def blend_vectors() -> Iterator[BlendVector]:
    """All of them."""
    for dtype in TYPES:
        for each in (False, True):
            for kind, about, case in sums(dtype, each):
                rounding = "each" if each else "once"
                name = f"{dtype}-blend-{kind}-{rounding}"
                yield coded(name, f"{about}, {dtype}, rounded {rounding}", case)


def coded(name: str, about: str, case: BlendCase) -> BlendVector:
    """A patch whose target is a few steps from the prediction, by contexts of edges or rows."""
    low_rank = None
    if case.factors is not None:
        left, right = case.factors.effective()
        low_rank = LowRank(left, right, case.factors.exponent)
    prediction, edges = predicted(
        case.dtype, list(case.bases), list(case.coefficients), low_rank, each=case.each
    )
    payload = payload_case(case.dtype, prediction.tolist(), edges.tolist())
    target = np.array(payload.target, word_type(case.dtype)).tobytes()
    parts = case.parts()
    parts.header["target"] = {"size": len(target), "blake3": blake3(target).hexdigest()}
    if not case.bases:  # the patch needs one, of the target's size, though nothing reads it
        parts.header["bases"] = [
            {"size": len(target), "blake3": blake3(bytes(len(target))).hexdigest()}
        ]
    parts.segment.update(
        chunk=N,
        row=COLUMNS,
        codings="u",
        sizes=[len(payload.payload)],
        digests=blake3(target).digest(16).hex(),
    )
    parts.body += payload.payload
    bases = [one.tobytes() for one in case.bases] or [bytes(len(target))]
    return BlendVector(name, about, bases, target, parts.write())


def payload_case(dtype: DType, prediction: list[int], edges: list[int]) -> Case:
    """Changes where the sum lies near its boundary, and one of another size."""
    element = element_of(dtype)
    target = [
        element.moved(word, 1 if edge % 2 else -1) if edge >= 12 else word
        for word, edge in zip(prediction, edges, strict=True)
    ]
    target[-1] = element.moved(prediction[-1], 20)
    middle = int(np.median([element.exponent(word) for word in prediction]))
    return make_case(
        dtype,
        RESIDUAL,
        prediction,
        target,
        lanes=4,
        context=ROW if dtype is DType.F16 else EDGE,
        levels=[2 * middle + i % 3 for i in range(ROWS)],
        row_length=COLUMNS,
        edges=() if dtype is DType.F16 else edges,
    )
