"""Asks people on a terminal which of some options they want."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from sapwood.cli.interrupts import Interrupted


def choose(options: Sequence[str]) -> int | None:
    """Asks for one of some options, as often as it takes; the first is meant by Enter alone.

    Args:
        options: for people; they are numbered from 1.

    Returns:
        The number of the option; None if the input has ended or ^C was pressed.
    """
    print("Options:")
    for number, option in enumerate(options, start=1):
        print(f"  {number}. {option}")
    print()
    try:
        while True:
            print("Choice [1]: ", end="", flush=True)
            line = sys.stdin.buffer.readline()  # not every terminal sends UTF-8
            if not line:
                print()
                return None
            word = line.decode(errors="replace").strip() or "1"
            if word in map(str, range(1, len(options) + 1)):
                return int(word)
            print(f"Expected a number from 1 to {len(options)}")
    except Interrupted as e:
        if e.number != signal.SIGINT:
            raise
        print()
        return None
