"""Fields of the wire format are found in their places, and no more of them than allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InvalidModelFile
from sapwood.modelfile.protobuf import BYTES, FIXED32, FIXED64, VARINT, Wire
from support.protobuf_writer import field, varint

pytestmark = pytest.mark.quick

numbers = st.integers(1, 2**29 - 1)
values = st.integers(0, 2**64 - 1) | st.binary(max_size=300)


@given(st.lists(st.tuples(numbers, values), max_size=8), st.binary(max_size=9))
def test_fields_are_found_where_they_were_written(
    written: list[tuple[int, int | bytes]], front: bytes
) -> None:
    file = front + b"".join(field(number, value) for number, value in written)
    found = list(Wire(memoryview(file)).fields(len(front), len(file)))
    assert [
        (place.number, place.value if place.wire == VARINT else file[place.offset : place.end])
        for place in found
    ] == written


def test_fixed_values_are_places() -> None:
    file = varint(1 << 3 | FIXED64) + b"8 bytes." + varint(2 << 3 | FIXED32) + b"four"
    found = list(Wire(memoryview(file)).fields(0, len(file)))
    assert [(place.wire, file[place.offset : place.end]) for place in found] == [
        (FIXED64, b"8 bytes."),
        (FIXED32, b"four"),
    ]


@given(st.integers(0, 2**64 - 1))
def test_integers_come_back(value: int) -> None:
    written = varint(value)
    assert Wire(memoryview(written)).varint(0, len(written)) == (value, len(written))


def test_a_message_ends_where_it_is_told_to() -> None:
    file = field(1, b"1234") + field(2, b"5")
    with pytest.raises(InvalidModelFile, match="expected 4 bytes, found 3"):
        list(Wire(memoryview(file)).fields(0, 5))
    assert next(Wire(memoryview(file)).fields(0, 6)).wire == BYTES


def test_fields_and_messages_are_counted() -> None:
    file = field(1, 5) * 9
    wire = Wire(memoryview(file), 20)
    assert len(list(wire.fields(0, len(file)))) == 9
    assert len(list(wire.fields(0, len(file)))) == 9
    with pytest.raises(InvalidModelFile, match="too many fields"):
        list(wire.fields(0, 0))
