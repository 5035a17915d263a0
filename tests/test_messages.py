"""What every message of ours is like, whatever names it was given."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given, strategies as st

from sapwood import errors
from sapwood.messages import LAST_LETTERS, MOST_LETTERS, presentable

pytestmark = pytest.mark.quick

ERRORS = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, errors.SapwoodError)
]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates too


@pytest.mark.parametrize("kind", ERRORS)
def test_no_error_pours_out_what_a_stranger_wrote(kind: type[errors.SapwoodError]) -> None:
    name = "A\x1b[31mB\nC\u202e\ud800" + "n" * 1_000_000
    error = kind(f"{name}: expected a tensor; get the patch anew")
    for one in (error, error.behind(name), error.before(name), error.behind(name).behind("a")):
        assert type(one) is kind
        assert len(str(one)) <= MOST_LETTERS
        assert str(one).isprintable()
        assert "\\x1b[31m" in str(one) or one is not error
    assert str(error).endswith("n: expected a tensor; get the patch anew")  # what to do is kept


@given(ANY_TEXT, st.integers(0, 40))
def test_any_text_is_made_presentable(text: str, times: int) -> None:
    found = presentable(text * times)
    assert len(found) <= MOST_LETTERS
    assert found.isprintable()
    assert presentable(found) == found or ":/" in found


@given(st.text(st.characters(categories=["L", "N"]), max_size=MOST_LETTERS))
def test_what_is_presentable_stays_as_it_is(text: str) -> None:
    assert presentable(text) == text


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    found = presentable("a" * MOST_LETTERS + "z" * LAST_LETTERS)
    assert found.startswith("aaa")
    assert found.endswith("z" * LAST_LETTERS)


SHOWN = {
    "https://me:hunter2@example.org/p?sig=s3cret#fragm3nt: not found; check it": (
        "https://example.org/p?...: not found; check it"
    ),
    "cannot open 'https:/me:hunter2@example.org/p?sig=s3cret'": (
        "cannot open 'https:/example.org/p?...'"
    ),
    "https://me:hunter2/half@example.org/p#fragm3nt": "https://example.org/p",
    "https://example.org/p?...: gave up": "https://example.org/p?...: gave up",
    "https://example.org/p?sig=s3cret, then s3://key:s3cret@bucket/p": (
        "https://example.org/p?..., then s3://bucket/p"
    ),
    "layers.0: expected 3:1, found C:\\models": "layers.0: expected 3:1, found C:\\models",
}


@pytest.mark.parametrize("message", SHOWN)
def test_secrets_of_urls_are_left_out(message: str) -> None:
    assert presentable(message) == SHOWN[message]
    assert presentable(SHOWN[message]) == SHOWN[message]


@pytest.mark.parametrize("rest", ["", "q" * 5000])
def test_a_cut_through_a_url_shows_no_part_of_its_secrets(rest: str) -> None:
    url = (
        f"https://me:{'hunter2' * 9}@example.org/p?sig={'s3cret' * 9}{rest}{'s3cret' * 9}#fragm3nt"
    )
    for before in range(0, MOST_LETTERS, 7):
        for after in ("", "; check the URL", f"; {'w' * (MOST_LETTERS - before)}"):
            found = presentable(f"{'a' * before} {url}{after}")
            assert len(found) <= MOST_LETTERS
            for part in ("hunter2", "unter", "s3cret", "3cre", "qqq", "fragm3nt"):
                assert part not in found, (before, after, part)
