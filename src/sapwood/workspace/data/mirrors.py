"""One file of data, from the first of its URLs that has it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

from sapwood.errors import InputError, IoError
from sapwood.package.manifest.datasets import DataFile
from sapwood.workspace.data.files import part_of

ONE_OF_SEVERAL = 1  # failures of connections in a row that are borne where there are mirrors
ONLY_ONE = 4


class Listener(Protocol):
    """Hears of a download."""

    def progress(self, done: int, total: int) -> None:
        """Bytes that are there, of all."""

    def told(self, text: str) -> None:
        """Something that a user may want to know, as that a server failed."""


class Nobody:
    """A listener that does not listen."""

    def progress(self, done: int, total: int) -> None:
        """Nothing."""

    def told(self, text: str) -> None:
        """Nothing."""


class FileFetch:
    """The download of one file, from the first of its URLs that has it."""

    def __init__(self, pooch: ModuleType, folder: Path, file: DataFile, listener: Listener) -> None:
        """Does nothing yet.

        Args:
            pooch: the library.
            folder: that the file goes to; locked by the caller.
            file: that is wanted.
            listener: hears of the download.
        """
        self._pooch = pooch
        self._folder = folder
        self._file = file
        self._listener = listener

    def run(self, before: int, total: int) -> str:
        """Downloads it.

        Args:
            before: bytes of all data that are there without this file.
            total: bytes of all data.

        Returns:
            The URL that it came from.

        Raises:
            IoError: none of them has it.
            OSError: it cannot be written.
        """
        failures: list[str] = []
        self._listener.progress(before, total)
        for url in self._file.urls:
            if failures:
                self._listener.told(f"{failures[-1]}; trying the next")
            failure = self._from(url, lambda at: self._listener.progress(before + at, total))
            if failure is None:
                return url
            failures.append(failure)
        raise IoError(f"{self._file.name}: could not be downloaded: {'; '.join(failures)}")

    def _from(self, url: str, progress: Callable[[int], object]) -> str | None:
        """Downloads it from one URL; returns why that failed, or None.

        Where a beginning that was there may be at fault, it is dropped, and all is downloaded.
        """
        from sapwood.fetching.http import FileChanged
        from sapwood.fetching.urls import shown
        from sapwood.workspace.data.downloading import Resuming

        part = part_of(self._folder, self._file)
        failures = ONLY_ONE if len(self._file.urls) == 1 else ONE_OF_SEVERAL
        keeper = self._pooch.create(
            path=self._folder,
            base_url="",
            registry={self._file.name: f"sha256:{self._file.sha256}"},
            urls={self._file.name: url},
        )
        for is_last in (False, True):
            downloader = Resuming(self._file, part, failures, progress)
            try:
                with quiet(self._pooch.get_logger()):
                    keeper.fetch(self._file.name, downloader=downloader)
            except FileChanged as e:
                drop(part)
                failure, again = str(e), True
            except (InputError, IoError) as e:
                failure, again = str(e), False
            except ValueError:  # pooch's word for another hash
                drop(part)
                failure = f"{shown(url)}: expected another SHA-256; it is another file"
                again = downloader.continued
            else:
                drop(part)
                return None
            if is_last or not again:
                break
        return failure


def drop(part: Path) -> None:
    """Removes what grew, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        part.unlink()


@contextlib.contextmanager
def quiet(logger: logging.Logger) -> Iterator[None]:
    """Keeps a logger from telling of each step while the block runs."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
