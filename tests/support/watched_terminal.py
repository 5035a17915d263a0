"""A command in a process of its own, and the terminal that shows what it prints."""

from __future__ import annotations

import os
import pty
import subprocess

from support.cli_session import PROGRAM, Session


class Terminal:
    """A terminal that a command has as its stderr, and as its stdout if asked."""

    def __init__(self, here: Session, command: str, *, stdout: bool = False) -> None:
        self._screen, inside = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *command.split()],
            cwd=here.folder,
            stdin=subprocess.PIPE,
            stdout=inside if stdout else subprocess.DEVNULL,
            stderr=inside,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
        os.close(inside)
        self.shown = ""

    def read(self) -> bool:
        """Waits for something to be shown; False when the command is over."""
        try:
            part = os.read(self._screen, 1 << 16)
        except OSError:  # how Linux says that the other side is closed
            part = b""
        self.shown += part.decode(errors="replace")
        return bool(part)

    def finish(self, stdin: bytes = b"") -> tuple[int, str]:
        """Gives the command what it waits for: its exit code and all that it showed."""
        assert self.process.stdin is not None
        self.process.stdin.write(stdin)
        self.process.stdin.close()
        while self.read():
            pass
        os.close(self._screen)
        return self.process.wait(), self.shown
