"""What Windows refuses for a moment is asked for again: a scanner has the file open."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sapwood.files import durable


class Scanned:
    """An operation that is refused so many times."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.refusals:
            raise PermissionError(13, "being used by another process")
        return "done"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], str]], str]:
    """Asks as on a system of a name, without waiting in between."""

    def asked(system: str, operation: Callable[[], str]) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(durable, "NAP", 0)
            patch.setattr(os, "name", system)
            return durable.patiently(operation)

    return asked


def test_windows_is_asked_again(ask: Callable[[str, Callable[[], str]], str]) -> None:
    operation = Scanned(durable.PATIENCE)
    assert ask("nt", operation) == "done"
    assert operation.asked == durable.PATIENCE + 1


def test_windows_is_not_asked_for_ever(ask: Callable[[str, Callable[[], str]], str]) -> None:
    operation = Scanned(durable.PATIENCE + 1)
    with pytest.raises(PermissionError):
        ask("nt", operation)
    assert operation.asked == durable.PATIENCE + 1


def test_others_are_asked_once(ask: Callable[[str, Callable[[], str]], str]) -> None:
    operation = Scanned(1)
    with pytest.raises(PermissionError):
        ask("posix", operation)
    assert operation.asked == 1
