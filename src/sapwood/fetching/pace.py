"""How patiently a file elsewhere is asked for, and how often that may fail."""

from __future__ import annotations

import dataclasses
import time

from sapwood.errors import Unavailable


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How much of a file elsewhere is asked for at once, and how patiently.

    Attributes:
        head: bytes that are asked for first: of a patch most often the whole front.
        window: bytes that are fetched at once of what is read from front to back.
        failures: failures in a row that are borne; one more is told.
        progress: bytes after which failures count anew.
        pause: seconds before the second try; twice as long before each that follows.
        connecting: seconds that making a connection may take.
        waiting: seconds that may pass until more bytes come.
    """

    head: int = 1 << 16
    window: int = 8 << 20
    failures: int = 4
    progress: int = 1 << 20
    pause: float = 0.5
    connecting: float = 10.0
    waiting: float = 30.0


DEFAULT_PACE = Pace()


class BrokenOff(Exception):
    """A connection ended, or a server was busy: worth another try. `Tries` makes it Unavailable.

    Attributes:
        status: the status of the server's answer, as HTTP numbers them; None where there was
            no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Tries:
    """How often something may fail before that is told."""

    def __init__(self, name: str, pace: Pace) -> None:
        """Begins without failures.

        Args:
            name: the name of the file, for the error.
            pace: how many failures are borne, and how long the pauses after them are.
        """
        self._name = name
        self._pace = pace
        self._failures = 0
        self._since = 0

    def came(self, size: int) -> None:
        """Counts bytes that came; many of them make good for failures before."""
        self._since += size
        if self._since >= self._pace.progress:
            self._failures = 0

    def failed(self, why: BrokenOff) -> None:
        """Waits before the next try.

        Raises:
            Unavailable: there were too many failures in a row.
        """
        if self._failures == self._pace.failures:
            raise Unavailable(
                f"{self._name}: gave up after {self._failures + 1} tries: {why}; "
                "check the connection and try again",
                status=why.status,
            ) from why
        time.sleep(self._pace.pause * 2**self._failures)
        self._failures += 1
        self._since = 0
