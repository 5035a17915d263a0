"""URLs from anywhere: an error of ours, soon, with nothing in it that lets others in."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InputError, Unavailable
from sapwood.fetching.http import HttpFile
from sapwood.fetching.openers import DEFAULT_FETCHING, OPENERS
from sapwood.fetching.urls import fault_of_url, shown
from support.remotes import QUICK, MemoryFile, fetching_from

NOT_THERE = httpx2.MockTransport(lambda _: httpx2.Response(404))

NO_URLS = {
    "no host": "http://",
    "a user alone": "http://user@",
    "a scheme without slashes": "http:example.org/a",
    "a path": "http:///a",
    "a bracket": "https://[::1",
    "a space": "http:// ",
    "a zero byte": "http://\0/",
    "a line end": "http://a\n/",
    "an empty label": "http://a..b/",
    "a long label": f"http://{'a' * 64}/",
    "a port in letters": "http://a:port/",
    "a port that is too large": "http://127.0.0.1:99999/",
    "a port below": "http://127.0.0.1:-1/",
    "an address that is none": "http://1.2.3.999/",
    "a name that IDNA cannot have": "http://\u2603\u2603.com/",
    "a name that IDNA spells otherwise": "http://0xn--/",
    "a name with a joiner": "http://a\u200db/",
    "a zone in letters of its own": "http://[::1%25\xe9]/",
    "half a letter": "http://a/\udcff",
    "half a letter in a name": "http://\udcff/",
    "a URL without end": f"http://a/{'b' * 70000}",
}


@pytest.mark.parametrize("case", NO_URLS)
def test_what_is_no_url_is_told_before_anything_is_sent(case: str) -> None:
    with pytest.raises(InputError, match=r"expected .*; check it"):
        HttpFile(NO_URLS[case], QUICK, transport=NOT_THERE)


WORDS = st.sampled_from(["//", "@", "[", "]", ":", "80", "a.b", "%", "\\", "é", "xn--", "..", "?"])


@given(st.sampled_from(["http:", "https:", "http://"]), st.text() | st.lists(WORDS).map("".join))
def test_any_text_is_a_url_or_told(scheme: str, text: str) -> None:
    with pytest.raises((InputError, Unavailable)):
        HttpFile(scheme + text, QUICK, transport=NOT_THERE)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a/b.ttp", "https://example.org/a/b.ttp"),
        ("http://me:secret@example.org:8080/a", "http://example.org:8080/a"),
        ("http://secret@example.org/a?secret#secret", "http://example.org/a?..."),
        ("http://me:se/cret@example.org/a", "http://..."),
        ("http:me:secret@example.org/a", "http://..."),
        ("http://[::1/a", "http://[::1/a"),
        ("http://me:secret@[::1/a", "http://..."),
        ("http://me:se@cret@example.org/a", "http://example.org/a"),
    ],
)
def test_what_is_shown_has_no_secret(url: str, expected: str) -> None:
    assert shown(url) == expected


LETTERS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0189@:.-_~!$&'()*+,;=%[]", max_size=20)


@given(LETTERS, LETTERS)
def test_no_part_of_a_password_is_shown(before: str, after: str) -> None:
    told = shown(f"http://user:{before}SECRET{after}@example.org/x?SECRET#SECRET")
    assert "SECRET" not in told


def test_a_scheme_is_what_has_an_opener() -> None:
    assert set(OPENERS) == {"http", "https"}
    for url in ("http://a/b", "HTTPS://a/b", "http:b"):
        assert DEFAULT_FETCHING.is_url(url)
    for other in ("memory:a", "./http://a", "a", "", "c:\\a", Path("http://a"), b"http://a", None):
        assert not DEFAULT_FETCHING.is_url(other)
    file = MemoryFile(b"content")
    fetching = fetching_from({"memory:a": file})
    assert fetching.is_url("memory:a")
    assert not fetching.is_url("http://a/b")
    assert fetching.open("memory:a") is file
    with pytest.raises(InputError, match="expected a URL of memory"):
        fetching.open("http://a/b")


@given(st.text())
def test_faults_are_told_without_the_url(text: str) -> None:
    fault = fault_of_url(f"http://{text}SECRET")
    assert fault is None or "SECRET" not in fault
