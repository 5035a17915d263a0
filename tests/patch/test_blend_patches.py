"""Patches whose prediction is computed: laws against the reference, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sapwood import Patch, apply_patch, apply_patch_to_chunks, create_patch, inspect_patch
from sapwood.errors import (
    InputError,
    InvalidPatch,
    LimitExceeded,
    SapwoodError,
    SourceHashMismatch,
)
from sapwood.limits import Limits
from sapwood.prediction.payload import decode_factors, payload_row
from sapwood.prediction.payload_coding import encode_factors
from sapwood.tensors import DType
from support.blend_patches import BlendCase, some_factors
from support.patch_cases import words_of_normals
from support.patch_writer import Parts, parts_of
from support.payload_cases import make_case
from support.reference_codec import EDGE
from support.reference_tables import RESIDUAL
from support.strategies import bit_patterns, numpy_type

BLENDED = (DType.BF16, DType.F16, DType.F32)


def coefficients(dtype: DType) -> st.SearchStrategy[float]:
    """Finite numbers of the working type: those of merges, and nasty ones."""
    width: Literal[32, 64] = 64 if dtype is DType.F32 else 32
    usual = st.sampled_from([1.0, 0.5, -1.0, float(np.float32(0.3)), float(np.float32(0.7))])
    return usual | st.floats(allow_nan=False, allow_infinity=False, width=width)


@st.composite
def cases(draw: st.DrawFn) -> BlendCase:
    """Blends of any number of terms, with factors or without."""
    dtype = draw(st.sampled_from(BLENDED))
    matrices, rows, columns = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 70))
    )
    elements = matrices * rows * columns
    count = draw(st.integers(0, 3))
    bases = [draw(bit_patterns(dtype, elements)) for _ in range(count)]
    factors = None
    if count == 0 or draw(st.booleans()):
        rank = draw(st.integers(1, min(rows, columns)))
        bits = draw(st.sampled_from([3, 10, 20]))
        factors = some_factors(matrices, rows, columns, rank, draw(st.integers(0, 2**32 - 1)), bits)
    return BlendCase(
        dtype,
        (matrices, rows, columns),
        bases,
        [draw(coefficients(dtype)) for _ in bases],
        draw(st.booleans()),
        factors,
    )


@given(cases(), st.randoms())
def test_a_blend_gives_what_the_definition_says(case: BlendCase, random: Any) -> None:
    target = case.target().tobytes()
    bare = numpy_type(case.dtype)
    given_bases = case.tensors() or [case.target().view(bare).reshape(case.shape)]
    random.shuffle(given_bases)
    patch = case.patch()
    assert apply_patch(given_bases, patch, threads=1).tobytes() == target
    assert apply_patch(given_bases, patch, threads=2).tobytes() == target


@given(cases(), st.data())
def test_a_blend_is_computed_in_place_and_from_streams(
    case: BlendCase, data: st.DataObject
) -> None:
    if len(case.bases) != 1:
        case = dataclasses.replace(
            case,
            bases=[data.draw(bit_patterns(case.dtype, math.prod(case.shape)))],
            coefficients=[1.0],
        )
    target = case.target().tobytes()
    (base,) = case.tensors()
    pieces = [one.data for one in np.array_split(case.bases[0].view(np.uint8), 3)]
    assert b"".join(apply_patch_to_chunks(pieces, case.patch(), threads=1)) == target
    inside = base.copy()
    apply_patch(inside, case.patch(), out=inside, threads=1)
    assert inside.tobytes() == target


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from([0, 1, 5, 12, 23, 30]),
    st.integers(0, 2**32 - 1),
)
def test_factors_come_back_from_their_payload(
    shape: tuple[int, int, int, int], bits: int, seed: int
) -> None:
    matrices, rank, rows, columns = shape
    made = some_factors(matrices, rows, columns, rank, seed, bits)
    made = dataclasses.replace(
        made, left_shifts=(0,) * (matrices * rank), right_shifts=(0,) * (matrices * rank)
    )
    if not made.within_bounds():
        made = dataclasses.replace(made, left=made.left >> 12, right=made.right >> 12)
    payload = np.frombuffer(encode_factors(made), np.uint8)
    found = decode_factors(
        payload,
        shape,
        made.left_shifts + made.right_shifts,
        made.exponent,
        payload_row(rows, columns),
    )
    assert np.array_equal(found.left, made.left)
    assert np.array_equal(found.right, made.right)


def honest() -> BlendCase:
    """Two bases and factors of rank 2."""
    bases = [words_of_normals(DType.BF16, 400, seed) for seed in (1, 2)]
    halves = [float(np.float32(0.3)), float(np.float32(0.7))]
    return BlendCase(DType.BF16, (20, 20), bases, halves, False, some_factors(1, 20, 20, 2, 5))


def in_prediction(**fields: Any) -> Callable[[Parts], None]:
    return lambda parts: parts.segment["prediction"].update(fields)


def in_factors(**fields: Any) -> Callable[[Parts], None]:
    return lambda parts: parts.segment["prediction"]["factors"].update(fields)


def in_term(**fields: Any) -> Callable[[Parts], None]:
    return lambda parts: parts.segment["prediction"]["terms"][1].update(fields)


def number(value: float) -> str:
    return struct.pack(">d", value).hex()


def retyped(parts: Parts) -> None:
    parts.header["dtype"] = parts.segment["dtype"] = "i16"


def past_the_sum(parts: Parts) -> None:
    factors = dataclasses.replace(
        some_factors(1, 20, 20, 2, 5),
        left=np.full((1, 2, 20), 1 << 26, np.int32),
        right=np.full((1, 2, 20), 1 << 26, np.int32),
        left_shifts=(0, 0),
        right_shifts=(0, 0),
    )
    payload = encode_factors(factors)
    in_factors(size=len(payload), shifts=[0] * 4)(parts)
    parts.body = payload


HUGE = 2**63 - 1
HOSTILE: dict[str, Callable[[Parts], None]] = {
    "an unknown rounding": in_prediction(rounding="up"),
    "no rounding": lambda parts: parts.segment["prediction"].pop("rounding"),
    "an unknown field": in_prediction(more=1),
    "no terms and no factors": in_prediction(terms=[], factors=None),
    "terms that are no list": in_prediction(terms={}),
    "65 terms": lambda parts: parts.segment["prediction"].update(
        terms=parts.segment["prediction"]["terms"][:1] * 65
    ),
    "a third base": in_term(base=2),
    "a base of 2^63": in_term(base=HUGE),
    "a term that begins late": in_term(offset=2),
    "a term that begins at 2^63": in_term(offset=HUGE),
    "a term with an unknown field": in_term(more=1),
    "a coefficient that is not a number": in_term(coefficient=number(math.nan)),
    "an infinite coefficient": in_term(coefficient=number(math.inf)),
    "a coefficient past binary32": in_term(coefficient=number(1e300)),
    "a coefficient between numbers of binary32": in_term(coefficient=number(0.3)),
    "a coefficient as text": in_term(coefficient="0.3"),
    "a coefficient that is too short": in_term(coefficient="3fd3"),
    "a blend of integers": retyped,
    "factors that are text": in_prediction(factors="none"),
    "factors with an unknown field": in_factors(more=1),
    "rank 0": in_factors(rank=0, shifts=[]),
    "a rank past the matrix": in_factors(rank=21, shifts=[0] * 42),
    "a rank of 2^63": in_factors(rank=HUGE),
    "a rank past 1024": in_factors(rank=1025, rows=2048, columns=2048, shifts=[0] * 2050),
    "another number of rows": in_factors(rows=21),
    "no rows": in_factors(rows=0),
    "no matrices": in_factors(matrices=0, shifts=[]),
    "rows and columns of 2^63": in_factors(rows=HUGE, columns=HUGE, matrices=HUGE),
    "a scale that overflows": in_factors(scale=191),
    "a scale of 2^63": in_factors(scale=HUGE),
    "a negative scale": in_factors(scale=-1),
    "a shift too few": in_factors(shifts=[0, 0, 0]),
    "a shift of 32": in_factors(shifts=[0, 0, 0, 32]),
    "shifts that overflow": in_factors(shifts=[31, 0, 0, 0]),
    "numbers whose sum reaches 2^53": past_the_sum,
    "a row of nothing": in_factors(row=0),
    "a payload of nothing": in_factors(size=0),
    "a payload that is too short": in_factors(size=5),
    "a payload past the body": in_factors(size=1200),
    "a payload of 2^63": in_factors(size=HUGE),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_a_hostile_blend_is_refused_and_nothing_is_written(about: str) -> None:
    case = honest()
    parts = case.parts()
    HOSTILE[about](parts)
    out = np.zeros((20, 20), case.tensors()[0].dtype)
    with pytest.raises(InvalidPatch):
        apply_patch(case.tensors(), parts.write(), out=out, threads=1)
    assert not out.view(np.uint16).any()


def test_the_honest_blend_is_applied() -> None:
    case = honest()
    found = apply_patch(case.tensors(), case.patch(), threads=1)
    assert found.tobytes() == case.target().tobytes()


def test_every_prefix_and_every_flipped_bit_of_the_factors_is_refused() -> None:
    case = honest()
    parts = case.parts()
    whole = case.target().tobytes()
    for at in range(8 * len(parts.body)):
        changed = bytearray(parts.body)
        changed[at // 8] ^= 1 << at % 8
        try:
            found = apply_patch(
                case.tensors(), dataclasses.replace(parts, body=bytes(changed)).write(), threads=1
            )
        except SapwoodError:
            continue
        assert found.tobytes() == whole  # numbers that no element hangs on
    for size in range(len(parts.body)):
        shorter = dataclasses.replace(parts, body=parts.body[:size])
        with pytest.raises(InvalidPatch):
            apply_patch(case.tensors(), shorter.write(), threads=1)


def test_contexts_of_edges_are_refused_where_there_is_no_blend() -> None:
    words = words_of_normals(DType.BF16, 400, 1)
    target = (words + 1).astype(words.dtype)
    base, wanted = (one.view(numpy_type(DType.BF16)).reshape(20, 20) for one in (words, target))
    parts = parts_of(create_patch(base, wanted, threads=1).to_bytes())
    edged = make_case(
        DType.BF16,
        RESIDUAL,
        words.tolist(),
        target.tolist(),
        context=EDGE,
        levels=[0],
        row_length=400,
        edges=[0] * 400,
    )
    parts.body = edged.payload
    parts.tables = []
    parts.segment.update(codings="u", sizes=[len(parts.body)])
    for _ in range(3):
        with pytest.raises(InvalidPatch, match="edges"):
            apply_patch(base, parts.write(), threads=1)


def test_factors_beyond_what_the_reader_allows_are_refused_before_they_are_read() -> None:
    case = honest()
    assert Patch.from_bytes(case.patch(), limits=Limits(factors=4 * 80))
    with pytest.raises(LimitExceeded, match=r"Limits\.factors"):
        Patch.from_bytes(case.patch(), limits=Limits(factors=4 * 80 - 1))


def test_bases_are_told_by_their_digests_in_any_order_and_among_others() -> None:
    case = honest()
    a, b = case.tensors()
    other = words_of_normals(DType.BF16, 400, 9).view(a.dtype).reshape(20, 20)
    for bases in ([a, b], [b, a], [other, b, a]):
        assert apply_patch(bases, case.patch(), threads=1).tobytes() == case.target().tobytes()


def test_a_missing_base_is_told_by_its_digest() -> None:
    case = honest()
    a, b = case.tensors()
    missing = inspect_patch(case.patch())["bases"][1]["checksum"]
    for bases in (a, [a], [a, a], [a, b + b]):
        out = np.zeros((20, 20), a.dtype)
        with pytest.raises(SourceHashMismatch, match=missing):
            apply_patch(bases, case.patch(), out=out, threads=1)
        assert not out.view(np.uint16).any()


def test_with_force_bases_must_be_as_many() -> None:
    case = honest()
    a, b = case.tensors()
    assert apply_patch([a, b], case.patch(), force=True).tobytes() == case.target().tobytes()
    with pytest.raises(InputError, match="2 bases"):
        apply_patch([a], case.patch(), force=True)


def test_several_bases_cannot_be_streamed() -> None:
    case = honest()
    with pytest.raises(InputError, match="2 bases"):
        apply_patch_to_chunks([case.bases[0]], case.patch())


def test_no_bases_and_too_many_are_refused() -> None:
    one = np.zeros((20, 20), np.float32)
    for bases in ([], [one] * 65):
        with pytest.raises(InputError, match="1 to 64 bases"):
            create_patch(bases, one)


@pytest.mark.parametrize("dtype", BLENDED)
@pytest.mark.parametrize("each", [False, True])
def test_a_linear_merge_is_recognised(dtype: DType, each: bool) -> None:
    bases = [words_of_normals(dtype, 64 * 64, seed) for seed in (1, 2)]
    weights = [float(np.float32(0.3)), float(np.float32(0.7))]
    case = BlendCase(dtype, (64, 64), bases, weights, each)
    held = case.target().view(case.tensors()[0].dtype).reshape(64, 64)
    patch = create_patch(case.tensors(), held, threads=1)
    (segment,) = patch.opened.front.segments
    assert segment.payload_size <= 8
    assert apply_patch(case.tensors(), patch).tobytes() == case.target().tobytes()
    alone = create_patch(case.tensors()[1], held, threads=1)
    assert len(patch) < len(alone) / 4


def test_a_target_that_is_one_of_the_bases_is_copied_from_it() -> None:
    case = honest()
    a, b = case.tensors()
    patch = create_patch([a, b], b, threads=1)
    (segment,) = patch.opened.front.segments
    assert segment.unchanged
    assert apply_patch([b, a], patch).tobytes() == b.tobytes()


def test_factors_know_their_bounds() -> None:
    made = some_factors(1, 8, 8, 2, 1)
    assert made.within_bounds()
    assert not dataclasses.replace(made, left_shifts=(31, 0)).within_bounds()
    assert not dataclasses.replace(
        made, left=np.full((1, 2, 8), -(2**31), np.int32)
    ).within_bounds()
