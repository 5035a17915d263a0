"""JSON in, JSON out: one encoding for each value, and what no document may hold."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.canonical_json import (
    NotJson,
    decode,
    parse,
    parse_exact,
    plain,
    serialise,
    weight,
)
from sapwood.errors import InputError, InvalidPatch

pytestmark = pytest.mark.quick

# What is refused, what is said of it, and the byte at which it was noticed.
REFUSED: dict[str, tuple[bytes, str, int | None]] = {
    "nothing": (b"", "Expecting value at line 1, column 1", 0),
    "no JSON": (b'{"a":\n x}', "Expecting value at line 2, column 2", 7),
    "more behind": (b"{} {}", "Extra data", 3),
    "no UTF-8": (b'{"a":"\xff"}', "expected UTF-8 at byte 6", 6),
    "UTF-16": ("{}".encode("utf-16"), "expected UTF-8", 0),
    "a byte order mark": (b"\xef\xbb\xbf{}", "BOM", 0),
    "letters of several bytes before": ('{"é€":x}'.encode(), "Expecting value", 9),
    "a key twice": (b'{"a":1,"b":2,"a":1}', "the key 'a' occurs twice", None),
    "a key twice, inside": (b'[{"a":{"b":1,"b":1}}]', "the key 'b' occurs twice", None),
    "a key twice, escaped": (b'{"a":1,"\\u0061":1}', "the key 'a' occurs twice", None),
    "NaN": (b"[NaN]", "NaN is no JSON number", None),
    "infinity": (b"[-Infinity]", "-Infinity is no JSON number", None),
    "a double past all": (b"[1e999]", "a number does not fit a double", None),
    "2^63": (b"[9223372036854775808]", "a number does not fit 64 bits", None),
    "-2^63 - 1": (b"[-9223372036854775809]", "a number does not fit 64 bits", None),
    "5000 digits": (b"9" * 5000, "a number does not fit 64 bits", None),
    "deep lists": (b"[" * 100_000, "nested too deeply", None),
    "deep objects": (b'{"a":' * 100_000, "nested too deeply", None),
    "a control character": (b'["\n"]', "Invalid control character", 2),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_document(case: str) -> None:
    data, reason, place = REFUSED[case]
    with pytest.raises(NotJson) as raised:
        decode(data)
    assert reason in str(raised.value)
    assert raised.value.place == place
    with pytest.raises(InvalidPatch) as translated:
        parse(data, "header", InvalidPatch, remedy="get it anew")
    assert str(translated.value) == f"header: no usable JSON: {raised.value}; get it anew"


def test_numbers_at_the_edges_are_taken() -> None:
    edges = [2**63 - 1, -(2**63), 0, 1.7976931348623157e308, 5e-324]
    assert parse(json.dumps(edges).encode(), "a", InvalidPatch) == edges


def test_memory_is_bounded_where_that_is_asked_for() -> None:
    data = b"[" + b"{}," * 1000 + b"{}]"
    assert parse(data, "a", InvalidPatch, most=weight(data)) == [{}] * 1001
    with pytest.raises(InvalidPatch, match=r"^a: expected values of at most \d+ bytes in memory"):
        parse(data, "a", InvalidPatch, most=weight(data) - 1)


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b"[1]\n",
        b'["\\u0061"]',
        b'["\xc3\xa9","\\u00e9"]',
        b"[1.0e3]",
        b"[-0]",
        b'["\\/"]',
        b'["\\ud800"]',
        b"\n{}",
    ],
)
def test_another_form_is_not_canonical(data: bytes) -> None:
    assert parse(data, "a", InvalidPatch) is not None
    with pytest.raises(InvalidPatch, match="canonical form, found another form; do something"):
        parse_exact(data, "a", InvalidPatch, remedy="do something")


@pytest.mark.parametrize(
    "value",
    [{"a": math.nan}, {"a": {1}}, {"a": b"b"}, {"a": object()}, {"a": 2**63}, {"a": "\ud800"}],
)
def test_a_user_s_values_that_no_patch_can_hold(value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="metadata"):
        plain(value)


def test_a_user_s_values_come_as_a_reader_will_see_them() -> None:
    inner = [1]
    given_values = {"a": (1, inner), "b": {"c": None}}
    found = plain(given_values)
    assert found == {"a": [1, [1]], "b": {"c": None}}
    inner.append(2)
    assert found["a"] == [1, [1]]
    with pytest.raises(InputError, match="a mapping, found list"):
        plain([1])  # type: ignore[arg-type]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
documents = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_every_value_comes_back_from_its_one_encoding(value: Any) -> None:
    data = serialise(value)
    assert parse_exact(data, "a", InvalidPatch) == value
    spaced = json.dumps(value, indent=1).encode()
    assert serialise(parse(spaced, "a", InvalidPatch)) == data


@given(st.binary(max_size=40) | documents.map(lambda one: json.dumps(one).encode()[1:]))
def test_any_bytes_are_a_value_or_the_error(data: bytes) -> None:
    found: Any = None
    place: int | None = None
    try:
        found = decode(data)
    except NotJson as e:
        place = e.place
        with pytest.raises(InvalidPatch):
            parse(data, "a", InvalidPatch)
    else:
        assert repr(parse(data, "a", InvalidPatch)) == repr(found)
    assert place is None or 0 <= place <= len(data)
