"""Paths that no system can take are told, by one function, before one is asked."""

from __future__ import annotations

import pytest

from sapwood.errors import InputError
from sapwood.files.paths import path_name

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "a/\udfff", b"bytes"])
def test_what_is_no_path_is_told(path: str) -> None:
    with pytest.raises(InputError, match="expected a path"):
        path_name(path)


def test_a_name_that_is_not_in_utf_8_is_one() -> None:
    assert path_name("\udcff") == "\udcff"  # as Python has the byte 0xff in names of files
