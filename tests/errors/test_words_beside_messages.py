"""Errors keep what they are when words are put beside their message."""

from __future__ import annotations

import pytest

from sapwood.errors import (
    Busy,
    InvalidModelFile,
    InvalidPatch,
    IoError,
    SapwoodError,
    TruncatedPatch,
    Unavailable,
    WorkspaceBusy,
)
from sapwood.models.locating import located

pytestmark = pytest.mark.quick

ERRORS = [
    SapwoodError("too long"),
    InvalidPatch("too long", offset=10),
    TruncatedPatch("too long", offset=0),
    InvalidModelFile("too long"),
    Unavailable("HTTP 503", status=503),
    Unavailable("no answer"),
]


class Refused(SapwoodError):
    """An error whose constructor takes what no message tells.

    Attributes:
        code: of the refusal.
    """

    def __init__(self, code: int, *, place: str) -> None:
        super().__init__(f"{place}: {code}")
        self.code = code


@pytest.mark.parametrize("error", [*ERRORS, Refused(3, place="here")], ids=repr)
def test_class_and_fields_are_kept(error: SapwoodError) -> None:
    message = str(error)
    for copy, expected in [
        (error.behind("a.safetensors"), f"a.safetensors: {message}"),
        (error.before("try again"), f"{message}; try again"),
    ]:
        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert (str(copy), copy.args) == (expected, (expected,))
    assert str(error) == message


def test_a_place_is_told_once() -> None:
    error = InvalidPatch("cut off", offset=10).behind("layer").behind("a.ttpatch")
    assert str(error) == "a.ttpatch: layer: cut off (at byte 10)"
    assert error.offset == 10


def test_who_waits_for_any_other_process_waits_for_that_of_a_workspace() -> None:
    assert issubclass(WorkspaceBusy, Busy)
    assert issubclass(Busy, IoError)
    assert (Busy("").exit_code, WorkspaceBusy("").exit_code) == (7, 13)


def test_what_names_a_model_keeps_the_place_in_it() -> None:
    with pytest.raises(InvalidPatch, match=r"^layer: cut off") as raised, located("layer"):
        raise TruncatedPatch("cut off", offset=10)
    assert type(raised.value) is TruncatedPatch
    assert raised.value.offset == 10
    assert isinstance(raised.value.__cause__, TruncatedPatch)
