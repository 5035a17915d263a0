"""One file of data, from the first of its URLs that has it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sapwood.errors import Changed, IoError
from sapwood.fetching.openers import Fetching
from sapwood.fetching.urls import shown
from sapwood.package import DataFile
from sapwood.progress import Notes, Progress
from sapwood.workspace.data.downloading import Resuming, part_of

ONE_OF_SEVERAL = 1  # failures of connections in a row that are borne where there are mirrors


class FileFetch:
    """The download of one file, from the first of its URLs that has it."""

    def __init__(
        self, pooch: ModuleType, folder: Path, file: DataFile, fetching: Fetching, notes: Notes
    ) -> None:
        """Does nothing yet.

        Args:
            pooch: the library.
            folder: folder that the file goes to, locked by the caller.
            file: the file that is wanted.
            fetching: openers by scheme, and how patient they are; where there are several URLs
                they are made less so.
            notes: hears of URLs that fail.
        """
        self._pooch = pooch
        self._folder = folder
        self._file = file
        self._fetching = fetching
        self._notes = notes
        if len(file.urls) > 1:
            pace = dataclasses.replace(fetching.pace, failures=ONE_OF_SEVERAL)
            self._fetching = dataclasses.replace(fetching, pace=pace)

    def run(self, progress: Progress) -> str:
        """Downloads it.

        Args:
            progress: hears how many bytes of the file are there.

        Returns:
            The URL that it came from.

        Raises:
            InputError: nothing can be fetched with the settings of the environment, or from
                such a URL.
            IoError: none of the URLs has it.
            OSError: it cannot be written.
        """
        failures: list[str] = []
        progress(0, self._file.size)
        for url in self._file.urls:
            if failures:
                self._notes(f"{failures[-1]}; trying the next")
            failure = self._from(url, progress)
            if failure is None:
                return url
            failures.append(failure)
        raise IoError(f"{self._file.name}: could not be downloaded: {'; '.join(failures)}")

    def _from(self, url: str, progress: Progress) -> str | None:
        """Downloads it from one URL, and tells why that failed, or None.

        Where a beginning that was there may be at fault, it is dropped, and all is downloaded.
        """
        part = part_of(self._folder, self._file)
        keeper = self._pooch.create(
            path=self._folder,
            base_url="",
            registry={self._file.name: f"sha256:{self._file.sha256}"},
            urls={self._file.name: url},
        )
        for is_last in (False, True):
            downloader = Resuming(self._file, part, self._fetching, progress)
            try:
                with _quiet(self._pooch.get_logger()):
                    keeper.fetch(self._file.name, downloader=downloader)
            except Changed as e:
                part.unlink(missing_ok=True)
                failure, again = str(e), True
            except IoError as e:
                failure, again = str(e), False
            except ValueError:  # pooch's word for another hash
                part.unlink(missing_ok=True)
                failure = f"{shown(url)}: expected another SHA-256; it is another file"
                again = downloader.continued
            else:
                part.unlink(missing_ok=True)
                return None
            if is_last or not again:
                break
        return failure


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keeps a logger from telling of each step while the block runs."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
