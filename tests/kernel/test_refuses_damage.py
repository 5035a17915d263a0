"""Damaged payloads and tables: refused, or decoded alike by every path and the reference.

A payload has no hash; that of its chunk, in the patch file, finds what is left over here.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import _kernel
from sapwood.tensors import DType
from support.payload_cases import (
    CODINGS,
    FITTED,
    KINDS,
    PATHS,
    STARTS,
    UNIFORM,
    Case,
    check_refused,
    check_same_verdict,
    flipped,
    make_case,
    random_words,
    some_levels,
    updated,
    verdicts,
)
from support.reference_codec import NONE, ONE, ROW, STILL
from support.reference_encoder import Token, Writer
from support.reference_tables import (
    RESIDUAL,
    SPARSE,
    VALUE,
    Damaged,
    Tables,
    parse_tables,
    serialised_tables,
)


def small_case(coding: int, lanes: int, dtype: DType = DType.BF16, kind: str = FITTED) -> Case:
    base = random_words(dtype, 70, coding)
    return make_case(
        dtype,
        coding,
        base,
        updated(dtype, base, 1),
        lanes=lanes,
        context=NONE if coding == VALUE else ROW,
        levels=[] if coding == VALUE else some_levels(dtype, ROW, 5, 3),
        row_length=15,
        kind=kind,
        table=0,
        starts=(0, 9),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [1, 16, 64])
@pytest.mark.parametrize("coding", CODINGS)
def test_every_flipped_bit(coding: int, lanes: int, kind: str) -> None:
    case = small_case(coding, lanes, kind=kind)
    for payload in flipped(case.payload):
        check_same_verdict(case, payload)


@pytest.mark.parametrize("coding", CODINGS)
def test_every_flipped_bit_of_tables_in_the_payload(coding: int) -> None:
    base = random_words(DType.F8_E4M3, 20, 1)
    target = updated(DType.F8_E4M3, base, 2)
    case = make_case(DType.F8_E4M3, coding, base, target, lanes=4, table=None)
    for payload in flipped(case.payload):
        check_same_verdict(case, payload)


@pytest.mark.parametrize("lanes", [1, 64])
@pytest.mark.parametrize("coding", CODINGS)
def test_every_prefix(coding: int, lanes: int) -> None:
    for table in (None, 0):
        case = small_case(coding, lanes).relaid(table=table)
        for size in range(len(case.payload)):
            check_refused(case, case.payload[:size])
        check_refused(case, case.payload + b"\0")


@settings(max_examples=300)
@given(
    coding=st.sampled_from(CODINGS),
    lanes=st.sampled_from([1, 16, 64]),
    damage=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), max_size=4),
)
def test_any_damage(coding: int, lanes: int, damage: list[tuple[int, bytes]]) -> None:
    case = small_case(coding, lanes)
    payload = case.payload
    for place, data in damage:
        at = place % len(payload)
        payload = payload[:at] + data + payload[at + len(data) :]
    check_same_verdict(case, payload)


@settings(max_examples=300)
@given(payload=st.binary(max_size=60), coding=st.sampled_from(CODINGS))
def test_any_bytes(payload: bytes, coding: int) -> None:
    check_same_verdict(small_case(coding, 1), payload)


# What no flipped bit is sure to make: well-formed payloads with one thing wrong.


def forged(case: Case, *, levels: list[int] | None = None) -> Writer:
    """A writer of the case's layout with uniform frequencies, for symbols by hand."""
    return Writer((case if levels is None else case.relaid(levels=levels)).layout)


def uniform_case(dtype: DType, coding: int, n: int, context: int = NONE, lanes: int = 16) -> Case:
    """Zeros, and tables with every token."""
    tables = Tables(coding, UNIFORM, class_starts=(0,) if coding == SPARSE else ())
    zeros = [0] * n
    rows = {NONE: 0, ONE: 1, ROW: -(-n // 8)}[context]
    case = make_case(
        dtype, coding, zeros, zeros, context=context, levels=[0] * rows, row_length=8, lanes=lanes
    )
    return case.with_tables(tables, table=0)


@pytest.mark.parametrize(("dtype", "tokens"), [(DType.BF16, 111), (DType.F32, 239), (DType.U8, 47)])
@pytest.mark.parametrize("lanes", [1, 16, 64])
def test_tokens_without_a_meaning(dtype: DType, tokens: int, lanes: int) -> None:
    case = uniform_case(dtype, RESIDUAL, 130, lanes=lanes)
    for token in (tokens, 253, 254):
        writer = forged(case)
        writer.symbols[:] = [(0, 0)] * 70 + [(0, token)] + [(0, 0)] * 59
        check_refused(case, writer.payload())
    sparse = uniform_case(dtype, SPARSE, 130, lanes=lanes)
    for gap, residual in ((128, 1), (254, 1), (0, tokens), (0, 254), (0, 0)):
        writer = forged(sparse)
        writer.counts = [1]
        writer.symbols[:] = [(0, gap), (8, residual)]
        check_refused(sparse, writer.payload())


@pytest.mark.parametrize("token", [239, 240, 253])
def test_row_tokens_without_a_meaning(token: int) -> None:
    case = uniform_case(DType.BF16, RESIDUAL, 16, ROW, lanes=1)
    writer = forged(case)
    writer.symbols[:] = [(32, 0), (32, token)] + [(0, 0)] * 16
    writer.raw[:] = [(0, 29)]
    check_refused(case, writer.payload())


def test_levels_out_of_range() -> None:
    case = uniform_case(DType.BF16, RESIDUAL, 16, ROW)
    for levels in ([8191, 8192], [-8191, -8192], [0, 40_000], [8000, -8192]):
        check_refused(case, forged(case, levels=levels).payload())
    for level in (8192, -8192, STILL):
        check_refused(case, forged(case, levels=[level, level]).payload())
    one = uniform_case(DType.BF16, RESIDUAL, 16, ONE)
    for level in (8192, -8192, -32767):
        check_refused(one, forged(one, levels=[level]).payload())


def test_more_changes_than_elements() -> None:
    case = uniform_case(DType.BF16, SPARSE, 130)
    for count in (131, 1 << 32, 1 << 63, (1 << 64) - 1):
        writer = forged(case)
        writer.counts = [count]
        check_refused(case, writer.payload())


def test_changes_past_the_end() -> None:
    case = uniform_case(DType.BF16, SPARSE, 130)
    for gap in (130, 131, 1 << 20, (1 << 32) - 1):
        writer = forged(case)
        writer.counts = [1]
        writer.put(0, Token(255, gap, 32), 0, 32)
        writer.put(8, Token(1), 0, 16)
        check_refused(case, writer.payload())


def test_exponents_out_of_range() -> None:
    for dtype, first, token in ((DType.F16, 0, 32), (DType.F8_E4M3, 16, 0), (DType.F64, 2000, 48)):
        tables = Tables(VALUE, UNIFORM, first_exponent=first)
        case = uniform_case(dtype, VALUE, 3).with_tables(tables)
        writer = forged(case)
        writer.symbols[:] = [(0, 255), (0, token), (0, 255)]
        writer.raw[:] = [(0, 8 * dtype.size), (0, dtype.mantissa + 1), (0, 8 * dtype.size)]
        check_refused(case, writer.payload())


def test_values_of_integers_or_with_a_context() -> None:
    case = uniform_case(DType.F16, VALUE, 0)
    assert verdicts(case, case.payload) == [[]] * (len(PATHS) + 1)
    check_refused(dataclasses.replace(case, dtype=DType.I16), case.payload)
    check_refused(case, forged(case.relaid(context=ONE), levels=[0]).payload())


def test_tables_of_another_coding() -> None:
    for coding in CODINGS:
        case = uniform_case(DType.F16, coding, 0)
        for other in {*CODINGS} - {coding}:
            check_refused(dataclasses.replace(case, coding=other), case.payload)


def test_special_values_in_place_of_bins() -> None:
    tables = Tables(RESIDUAL, UNIFORM, specials=((111, 1000), (112, -1000)))
    for dtype, allowed in ((DType.BF16, True), (DType.F32, False), (DType.F64, False)):
        case = uniform_case(dtype, RESIDUAL, 64).with_tables(tables)
        writer = forged(case)
        writer.symbols[:] = [(0, 0)] * 64
        found = verdicts(case, writer.payload())
        assert found == [[0] * 64 if allowed else None] * (len(PATHS) + 1)


def test_fields_in_another_form() -> None:
    case = uniform_case(DType.BF16, RESIDUAL, 0, lanes=1)
    good = case.payload
    assert good == bytes([0, 0, 0, 0]) + (1 << 16).to_bytes(4, "little")
    assert verdicts(case, good) == [[]] * (len(PATHS) + 1)
    states = good[4:]
    for fields in (
        b"\x03\0\0\0\0\0",  # context 3, and no edges
        b"\x20\0\0\0",  # a bit that means nothing yet
        b"\0\x80\0\0\0",  # a padded number
        b"\0\x01\0\0",  # no such tables
        b"\0" + b"\xff" * 9 + b"\x02\0\0",  # a number past 2^64
        b"\0\0" + b"\xff" * 9 + b"\x01\0",  # words past the end
        b"\0\0\0" + b"\xff" * 9 + b"\x01",  # raw bits past the end
        b"\x04\xff\xff\xff\xff\x0f\0\0",  # tables past the end
    ):
        check_refused(case, fields + states)
    check_refused(case, b"\0\0\0\0" + (0xFFFF).to_bytes(4, "little"))  # a state too low
    check_refused(case, b"\0\0\0\x01" + states + b"\0")  # a byte of raw bits that nothing reads
    check_refused(case, b"\0\0\x01\0" + states + b"\0\0")  # a word that nothing reads


def kernel_parse(data: bytes) -> bytes | None:
    try:
        return _kernel.Tables.parse(np.frombuffer(data, np.uint8)).serialised()
    except _kernel.CorruptPayload:
        return None


def reference_parse(data: bytes) -> bytes | None:
    try:
        return serialised_tables(parse_tables(data))
    except Damaged:
        return None


UNUSED = (0,) * 256
SETS_OF_TABLES = [
    *(small_case(coding, 1, kind=kind).serialised for coding in CODINGS for kind in KINDS),
    serialised_tables(
        Tables(RESIDUAL, (UNIFORM[0], *(UNUSED,) * 32), specials=((252, -5), (253, 1 << 40)))
    ),
    *(serialised_tables(Tables(SPARSE, (UNUSED,) * 33, (), starts)) for starts in STARTS),
    serialised_tables(Tables(VALUE, (UNUSED,) * 33, first_exponent=0xFFFF)),
]


@pytest.mark.parametrize("data", SETS_OF_TABLES)
def test_tables_have_one_form(data: bytes) -> None:
    assert kernel_parse(data) == reference_parse(data) == data
    for damaged in flipped(data):
        assert kernel_parse(damaged) in (None, damaged)
        assert kernel_parse(damaged) == reference_parse(damaged)
    for size in range(len(data)):
        assert kernel_parse(data[:size]) is None
    assert kernel_parse(data + b"\0") is None


@settings(max_examples=500)
@given(data=st.binary(max_size=80))
def test_any_bytes_as_tables(data: bytes) -> None:
    assert kernel_parse(data) == reference_parse(data)
    assert kernel_parse(data) in (None, data)
