"""Conformance vectors of recipes: tensors made of a base's in another type, by the references."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from sapwood.prediction.casting import numbers
from sapwood.tensors import DType
from support.blend_patches import coefficient_hex
from support.patch_cases import words_of_normals
from support.recipe_patches import recipe_parts
from support.reference_casting import FIELDS, cast_word
from support.reference_given import given
from support.reference_prediction import predicted
from support.reference_requantised import BYTES, block_of
from support.strategies import nasty_words, numpy_type, word_type


@dataclasses.dataclass(frozen=True)
class RecipeVector:
    """A case: what it is for, its bases by name, target and patch."""

    name: str
    about: str
    bases: Sequence[tuple[str, bytes]]
    target: bytes
    patch: bytes


def recipe_vectors() -> Iterator[RecipeVector]:
    """All of them."""
    for source in FIELDS:
        for target in FIELDS:
            if source is not target:
                yield cast_vector(source, target)
    for kind in BYTES:
        for source in (DType.BF16, DType.F16, DType.F32):
            yield block_vector(kind, source)
    for dtype, source in ((DType.BF16, DType.F32), (DType.F16, DType.BF16), (DType.F32, DType.F16)):
        for transposed in (False, True):
            for each in (False, True):
                yield adapter_vector(dtype, source, transposed, each)


def words(source: DType, target: DType) -> list[int]:
    """Words of weights, nasty ones, and those next to where rounding turns."""
    spare = max(1, source.mantissa - target.mantissa)
    normals = [int(one) for one in words_of_normals(source, 24, 41)]
    halves = [
        (word >> spare << spare | 1 << spare - 1) + i % 3 - 1 for i, word in enumerate(normals)
    ]
    return [*normals, *halves, *nasty_words(source).tolist()]


def cast_vector(source: DType, target: DType) -> RecipeVector:
    """Elements of one type as another, in chunks, from the middle of a file."""
    given = words(source, target)
    base = b"before" + np.array(given, word_type(source)).tobytes() + b"behind"
    cast = [cast_word(source, target, word) for word in given]
    made = np.array(cast, word_type(target)).tobytes()
    prediction = {"kind": "cast", "base": 0, "offset": 6, "from": source.label}
    parts = recipe_parts([base], made, target, prediction, chunk=32)
    name = f"cast-{source}-{target}"
    about = f"{source} as {target}: ties, subnormals, overflow, what is no number"
    return RecipeVector(name, about, [(f"{name}.base", base)], made, parts.write())


def block_vector(kind: str, source: DType) -> RecipeVector:
    """Weights, few numbers, zeros, large and small ones and what is not finite, in blocks."""
    rng = np.random.default_rng(43)
    drawn = rng.standard_normal((10, 32)) * np.array(
        [[0.02]] * 4 + [[1e-41], [1e-38]] + [[1e4]] * 4
    )
    drawn[1] = np.round(100 * drawn[1]) / 2
    drawn[2] = 0
    drawn[3] = -0.0
    drawn[6, 5], drawn[7, 6] = np.inf, np.nan
    with np.errstate(all="ignore"):
        base = drawn.astype(numpy_type(source)).tobytes()
    values = numbers(source, np.frombuffer(base, np.uint8)).reshape(-1, 32)
    made = b"".join(block_of(kind, row.tolist()) for row in values)
    prediction = {"kind": "quantise", "type": kind, "base": 0, "offset": 0, "from": source.label}
    parts = recipe_parts([base], made, DType.U8, prediction, chunk=100)
    name = f"quantise-{kind}-{source}"
    about = f"{source} quantised to {kind}, in chunks that cut blocks"
    return RecipeVector(name, about, [(f"quantise-{source}.base", base)], made, parts.write())


def adapter_vector(dtype: DType, source: DType, transposed: bool, each: bool) -> RecipeVector:
    """A base of 8 rows of 12 elements and an adapter of rank 3, one of whose columns is small."""
    rng = np.random.default_rng(44)
    base = words_of_normals(dtype, 96, 45)
    left = (rng.standard_normal((8, 3)) * [1, 1e-4, 0.1]).astype(numpy_type(source))
    right = rng.standard_normal((3, 12)).astype(numpy_type(source))
    coefficient = -1 / 3
    factors = given(left.astype(float).tolist(), right.astype(float).tolist(), coefficient)
    made, _ = predicted(dtype, [base], [1.0], factors, each=each)
    stored = [one.T if transposed else one for one in (left, right)]
    adapter = b"".join(np.ascontiguousarray(one).tobytes() for one in (*stored, stored[0]))
    bases = [base.tobytes(), adapter]
    place = {"base": 1, "from": source.label}
    prediction = {
        "kind": "blend",
        "rounding": "each" if each else "once",
        "terms": [{"base": 0, "offset": 0, "coefficient": coefficient_hex(1.0)}],
        "factors": {
            "left": {**place, "offset": 0},
            "right": {**place, "offset": left.nbytes},
            "layout": "transposed" if transposed else "plain",
            "rows": 8,
            "columns": 12,
            "rank": 3,
            "coefficient": coefficient_hex(coefficient),
        },
    }
    target = made.astype(word_type(dtype)).tobytes()
    parts = recipe_parts(bases, target, dtype, prediction, chunk=50)
    layout = "transposed" if transposed else "plain"
    rounding = "each" if each else "once"
    files = [(f"adapter-{dtype}.base", bases[0]), (f"adapter-{source}-{layout}.base", adapter)]
    about = f"an adapter of {source}, {layout}, merged into {dtype}, rounded {rounding}"
    name = f"adapter-{dtype}-{layout}-{rounding}"
    return RecipeVector(name, about, files, target, parts.write())
