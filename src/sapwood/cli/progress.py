"""A progress bar on stderr, for work that takes long, for somebody who watches."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sapwood.progress import Progress, silent

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

PATIENCE = 0.5  # seconds until a bar appears


@contextlib.contextmanager
def progress_bar(arguments: argparse.Namespace, what: str) -> Iterator[Progress]:
    """Shows how far the work of the block is, and removes what it showed.

    Nothing is shown with --json or --quiet, or where stderr is no terminal that can
    move its cursor. A file of a batch is a part of the batch's bar.
    """
    watched_by: Progress | None = getattr(arguments, "progress", None)
    if watched_by is not None:
        yield watched_by
        return
    watched = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if arguments.json or arguments.quiet or not watched:
        yield silent
        return
    bar = Bar(what)
    try:
        yield bar
    finally:
        bar.close()


@contextlib.contextmanager
def receiving_bars(arguments: argparse.Namespace, what: str) -> Iterator[tuple[Progress, Progress]]:
    """As `progress_bar`: of the download of a patch, and of the work that follows it."""
    with progress_bar(arguments, what) as progress:
        if isinstance(progress, Bar):
            yield progress.named("downloading"), progress.named(what)
        else:
            yield silent, progress


class Bar:
    """A bar that appears when the work has taken a while.

    A timer shows it, since work may go on for long before the first progress is known.
    """

    def __init__(self, what: str) -> None:
        """Starts to wait."""
        self._what = what
        self._lock = threading.Lock()
        self._closed = False
        self._shown: tuple[Display, TaskID] | None = None
        self._last: tuple[int, int | None] = 0, None  # done, and of how much
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, done: int, total: int) -> None:
        """Moves the bar."""
        with self._lock:
            self._last = done, total
            if self._shown is not None:
                display, task = self._shown
                display.update(task, completed=done, total=total)

    def named(self, what: str) -> Progress:
        """What moves the bar, for one of several pieces of work that follow each other."""

        def move(done: int, total: int) -> None:
            with self._lock:
                self._what = what
                if self._shown is not None:
                    display, task = self._shown
                    display.update(task, description=what)
            self(done, total)

        return move

    def above(self, line: str) -> None:
        """Prints a line on stderr, above the bar if there is one."""
        with self._lock:
            if self._shown is None:
                print(line, file=sys.stderr)
            else:
                from rich.text import Text

                self._shown[0].console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Removes the bar, or sees to it that none appears."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._shown is not None:
                self._shown[0].stop()

    def _show(self) -> None:
        from rich import progress
        from rich.console import Console

        with self._lock:
            if self._closed:
                return
            display = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,  # bytes may go there
                redirect_stderr=False,
            )
            display.start()
            done, total = self._last
            task = display.add_task(self._what, total=total, completed=done)
            self._shown = display, task
