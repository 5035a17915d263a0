"""Signals that end the program, as exceptions: whatever is half done is tidied up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Interrupted(BaseException):
    """A signal came. No error: nothing but `main` catches it.

    Attributes:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _interrupt(number: int, _: FrameType | None) -> None:
    """Handles a signal.

    Raises:
        Interrupted: in the main thread, wherever that is.
    """
    raise Interrupted(number)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, signals that would end the program raise Interrupted.

    Those that the caller of the program had it ignore (nohup) stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    taken = [number for number in ENDING if before[number] is not signal.SIG_IGN]
    try:
        for number in taken:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
