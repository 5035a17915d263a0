"""Fields of any value: the type that was asked for, or the one error, with the field's path."""

from __future__ import annotations

import contextlib
import datetime
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPatch, InvalidWorkspace, UnsupportedWorkspace

pytestmark = pytest.mark.quick

Ask = Callable[[Fields], Any]
HUGE = 10**400  # TOML's hexadecimal numbers have no bound
HALF = "\ud800"

# Every accessor, asked for a field `x` or for all fields.
ACCESSORS: dict[str, Ask] = {
    "text": lambda fields: fields.text("x"),
    "optional text": lambda fields: fields.optional_text("x"),
    "text or null": lambda fields: fields.optional_text("x", null=True),
    "texts": lambda fields: fields.optional_texts("x"),
    "every text": Fields.every_text,
    "size": lambda fields: fields.size("x"),
    "optional size": lambda fields: fields.optional_size("x"),
    "sizes": lambda fields: fields.sizes("x"),
    "every size": Fields.every_size,
    "number": lambda fields: fields.optional_number("x"),
    "every number": Fields.every_number,
    "flag": lambda fields: fields.flag("x"),
    "hex": lambda fields: fields.hex("x", 2),
    "object": lambda fields: fields.object("x"),
    "optional object": lambda fields: fields.optional_object("x"),
    "object or null": lambda fields: fields.nullable_object("x"),
    "objects": lambda fields: fields.objects("x"),
    "optional objects": lambda fields: fields.optional_objects("x"),
    "every object": Fields.every_object,
    "values": lambda fields: fields.values("x"),
    "every value": Fields.every_value,
    "only": lambda fields: fields.only({"y"}),
}

# A value of `x`, what is asked for, and the whole error.
WRONG: dict[str, tuple[Any, str, str]] = {
    "a number for text": (5, "text", "a.x: expected text, found 5"),
    "null for text": (None, "text", "a.x: expected text, found null"),
    "null for optional text": (None, "optional text", "a.x: expected text, found null"),
    "half a letter": (HALF, "text", "a.x: expected Unicode text, found half a pair of surrogates"),
    "a text for a size": ("5", "size", "a.x: expected a whole number from 0 to 2^63 - 1"),
    "a negative size": (-1, "size", "found -1"),
    "true for a size": (True, "size", "found true"),
    "a fraction for a size": (5.5, "size", "found 5.5"),
    "a size past 63 bits": (2**63, "size", "found a number past 64 bits"),
    "a size past all bits": (HUGE, "size", "found a number past 64 bits"),
    "NaN for a number": (math.nan, "number", "a.x: expected a finite number, found nan"),
    "a number past all bits": (HUGE, "number", "found a number past 64 bits"),
    "one of the sizes": ([1, 2, "3"], "sizes", "a.x[2]: expected a whole number"),
    "one of the texts": (["b", None], "texts", "a.x[1]: expected text, found null"),
    "one of the objects": ([{}, []], "objects", "a.x[1]: expected named fields, found a list"),
    "an object for a list": ({}, "values", "a.x: expected a list, found named fields"),
    "a date for an object": (datetime.date(2025, 1, 1), "object", "found date"),
    "1 for true": (1, "flag", "a.x: expected true or false, found 1"),
    "capitals in digits": ("AB01", "hex", "a.x: expected 2 bytes in lower-case hexadecimal"),
    "spaces in digits": ("ab 01", "hex", "found 'ab 01'"),
    "too few digits": ("ab", "hex", "found 'ab'"),
    "no digits": ("zzzz", "hex", "found 'zzzz'"),
    "an unknown field": (1, "only", "a: expected fields among y; found 'x'"),
    "a text of another name": (5, "every text", "a['x']: expected text, found 5"),
}

# Accessors that take an object without the field, and what they say of it.
ABSENT: dict[str, Any] = {
    "optional text": None,
    "text or null": None,
    "texts": [],
    "every text": {},
    "optional size": None,
    "every size": {},
    "number": None,
    "every number": {},
    "flag": False,
    "optional object": None,
    "optional objects": [],
    "every object": {},
    "every value": {},
    "only": None,
}


def fields_of(value: Any, where: str = "a") -> Fields:
    return Fields(value, where, InvalidPatch)


@pytest.mark.parametrize("case", WRONG)
def test_the_error_says_where_and_what_was_expected_and_found(case: str) -> None:
    value, accessor, says = WRONG[case]
    with pytest.raises(InvalidPatch) as raised:
        ACCESSORS[accessor](fields_of({"x": value}))
    assert says in str(raised.value)


@pytest.mark.parametrize("accessor", ACCESSORS)
def test_a_field_that_is_absent(accessor: str) -> None:
    if accessor in ABSENT:
        assert ACCESSORS[accessor](fields_of({})) == ABSENT[accessor]
    else:
        with pytest.raises(InvalidPatch, match=r"^a\.x: expected .*, found nothing$"):
            ACCESSORS[accessor](fields_of({}))


@pytest.mark.parametrize("accessor", ["text or null", "object or null"])
def test_null_stands_for_what_may_be_null(accessor: str) -> None:
    assert ACCESSORS[accessor](fields_of({"x": None})) is None


@pytest.mark.parametrize("value", [None, True, 5, 0.5, "a", [], [{}], HUGE, HALF])
def test_what_is_no_object_is_refused_at_once(value: Any) -> None:
    with pytest.raises(InvalidPatch, match=r"^a: expected named fields, found "):
        fields_of(value)


def test_paths_lead_through_objects_and_lists() -> None:
    value = {"bases": [{}, {"files": {"a/b": {"size": -1}}}]}
    inside = fields_of(value, "header").objects("bases")[1].object("files").every_object()["a/b"]
    assert inside.where == "header.bases[1].files['a/b']"
    with pytest.raises(InvalidPatch, match=r"^header\.bases\[1\]\.files\['a/b'\]\.size: "):
        inside.size("size")


def test_what_to_do_stands_behind_every_error_and_goes_down_with_the_objects() -> None:
    fields = Fields({"x": [{"y": 1}]}, "a", InvalidPatch, remedy="get it anew")
    (inside,) = fields.objects("x")
    for error in (inside.fail("y", "no"), inside.fail("z", "no")):
        assert isinstance(error, InvalidPatch)
        assert str(error).endswith("; get it anew")
    with pytest.raises(InvalidPatch, match=r"found 1; get it anew$"):
        inside.text("y")
    with pytest.raises(InvalidPatch, match=r"found 'y'; get it anew$"):
        inside.only({"x"})


def test_a_newer_program_s_field_is_another_error_than_a_mistake() -> None:
    value = {"x": {"new": 1}}
    newer = Fields(value, "a", InvalidWorkspace, unsupported=UnsupportedWorkspace)
    with pytest.raises(UnsupportedWorkspace, match=r"a\.x: .* found 'new'; .*update sapwood$"):
        newer.object("x").only({"old"})
    newer.object("x").only({"old", "new"})


def test_a_user_s_values_have_64_levels_and_no_more() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return {"x": {"y": value}}

    assert fields_of(nested(62)).object("x").every_value()
    with pytest.raises(InvalidPatch, match="at most 64 levels"):
        fields_of(nested(64)).object("x").every_value()
    for value in ({"y": HALF}, {HALF: 1}, {"y": [{"z": HALF}]}):
        with pytest.raises(InvalidPatch, match="Unicode text"):
            fields_of({"x": value}).object("x").every_value()


# Whatever a parser of JSON, TOML or YAML could come to, and more.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), HUGE, -HUGE]),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.dates(),
    st.datetimes(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("xy") | st.text(st.characters(), max_size=3), values))
def test_nothing_but_the_given_error_comes_out(value: dict[str, Any]) -> None:
    fields = fields_of(value)
    for ask in ACCESSORS.values():
        said = ""
        try:
            ask(fields)
        except InvalidPatch as e:
            said = str(e)
        assert not said or re.match(r"a(\.x)?(\[.*\])?: expected ", said, re.DOTALL)
        assert len(said) < 400


@given(values)
def test_a_value_that_is_taken_is_of_its_type(value: Any) -> None:
    kinds: dict[str, Any] = {"text": str, "size": int, "values": list}
    for accessor, kind in kinds.items():
        found: Any = None
        with contextlib.suppress(InvalidPatch):
            found = ACCESSORS[accessor](fields_of({"x": value}))
        if found is None:
            continue
        assert type(found) is kind
        assert repr(found) == repr(value)
        if kind is str:
            found.encode()
        if kind is int:
            assert 0 <= found < 2**63
