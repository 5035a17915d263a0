"""A program in a process of its own on a pseudo-terminal, and somebody who types."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PROMPT = "Choice [1]: "
# The first terminal that the leader of a session opens is the one whose ^C reaches it.
TAKE_TERMINAL = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
END, INTERRUPT = "\x04", "\x03"  # what ^D and ^C send


def typed(
    command: Sequence[str],
    folder: Path,
    answers: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Runs a program, and types an answer at each prompt.

    Args:
        command: the program and its arguments.
        folder: to run it in.
        answers: what is typed, with its line's end, each once the prompt is there.
        environment: variables beside those of this process.

    Returns:
        The exit code, and all that the screen showed, what was typed included.
    """
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command],
        cwd=folder,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm", "TZ": "UTC", "PAGER": "", **(environment or {})},
    )
    os.close(inside)
    shown, asked, left = "", 0, list(answers)
    try:
        while True:
            try:
                part = os.read(screen, 1 << 16)
            except OSError:  # how Linux says that the other side is closed
                part = b""
            if not part:
                return process.wait(timeout=60), shown.replace("\r\n", "\n")
            shown += part.decode()
            # What is typed before it is asked for would be shown before the question.
            if left and shown.count(PROMPT) > asked and shown.endswith(PROMPT):
                asked += 1
                os.write(screen, left.pop(0).encode())
    finally:
        process.kill()
        os.close(screen)
