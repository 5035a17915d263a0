"""TOML of strangers: values or the one error, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.toml import parse_toml
from sapwood.errors import InvalidTemplate

pytestmark = pytest.mark.quick

LARGEST = 1 << 20
PARTS = b".".join([b"a"] * (LARGEST // 2 - 10))

# What is refused, and what is said of it.
REFUSED: dict[str, tuple[bytes, str]] = {
    "too large": (b"#" * (LARGEST + 1), "at most 1048576 bytes, found 1048577"),
    "no TOML": (b"a = ", "no TOML"),
    "no UTF-8": (b"a = '\xff'", "no TOML"),
    "a key twice": (b"a = 1\na = 2\n", "no TOML"),
    "deep lists": (b"a = " + b"[" * 100_000, "no TOML"),
    "deep tables": (b"a = " + b"{a = " * 100_000, "no TOML"),
    "5000 digits": (b"a = " + b"9" * 5000, "no TOML"),
    "a key of half a million parts": (PARTS + b" = 1", "keys of at most"),
    "a quoted key of many parts": (b'"a".' * 200_000 + b"a = 1", "keys of at most"),
    "a header of half a million parts": (b"[" + PARTS + b"]", "keys of at most"),
    "an inline table's key": (b"x = {" + PARTS + b" = 1}", "keys of at most"),
    "a deep header above many lines": (
        b"  [ " + b".".join([b"a"] * 1000) + b"]\n" + b"".join(b"%x=1\n" % i for i in range(99999)),
        "keys of at most",
    ),
    "many keys of many parts": (
        b"".join(b"%x.%s = 1\n" % (i, b".".join([b"a"] * 2000)) for i in range(200)),
        "keys of at most",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_document_is_refused_soon(case: str) -> None:
    data, says = REFUSED[case]
    begun = time.process_time()
    with pytest.raises(InvalidTemplate, match=f"^m.toml: .*{says}"):
        parse_toml(data, "m.toml", InvalidTemplate, LARGEST)
    assert time.process_time() - begun < 10  # seconds; without the bounds, hours


def test_dots_that_documents_have_are_taken() -> None:
    """In strings, and in keys as people write them."""
    dots = b"a.b.c.d.e = 1\n[f.g.h.i]\nj = 'x'\n"
    urls = b"urls = [" + b", ".join([b"'https://a.b.c/d.e'"] * 500) + b"]\n"
    found = parse_toml(dots + urls, "m.toml", InvalidTemplate, LARGEST)
    assert found["a"]["b"]["c"]["d"]["e"] == 1
    assert len(found["f"]["g"]["h"]["i"]["urls"]) == 500


@given(
    st.binary(max_size=40)
    | st.lists(
        st.sampled_from(["a.b", "[", "]", "{", "}", "=", "'", '"', "\n", "#", "1", "0x"]),
        max_size=20,
    ).map(lambda parts: "".join(parts).encode())
)
def test_any_bytes_are_tables_or_the_error(data: bytes) -> None:
    said = "m: "
    try:
        assert isinstance(parse_toml(data, "m", InvalidTemplate, 100), dict)
    except InvalidTemplate as e:
        said = str(e)
    assert said.startswith("m: ")
