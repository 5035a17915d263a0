"""Downloads one file from one URL to the place where it grows, and hands it over to pooch.

What is kept of a cut download is not tied to a server: whether it was the right beginning is
told by the hash of the whole, which the manifest has.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from sapwood.fetching.download import KnownSize, download
from sapwood.fetching.openers import Fetching
from sapwood.files.reading import NOT_FOLLOWED
from sapwood.files.syncing import rename
from sapwood.package import DataFile
from sapwood.progress import Progress


def part_of(folder: Path, file: DataFile) -> Path:
    """Where a file grows, in the folder that it goes to."""
    return folder / f".{file.name}.part"


def size_of(path: Path) -> int:
    """Bytes of a regular file; 0 where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def is_right(path: Path, file: DataFile) -> bool:
    """Whether a file is there, with the right content."""
    if size_of(path) != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


class Resuming:
    """A downloader as pooch takes them: brings a URL into a file, of which pooch checks the hash.

    Attributes:
        continued: whether what was brought begins with what an earlier try had left.
    """

    def __init__(self, file: DataFile, part: Path, fetching: Fetching, progress: Progress) -> None:
        """Does nothing yet.

        Args:
            file: the file that is wanted.
            part: place where it grows, which stays after a failure, an interrupt or a kill.
            fetching: openers by scheme, and how patient they are.
            progress: hears how many bytes of the file are there.
        """
        self._file = file
        self._part = part
        self._fetching = fetching
        self._progress = progress
        self.continued = False

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Downloads.

        Args:
            url: URL of a scheme that can be opened.
            output_file: path of a file that is there and gets the bytes, of the right number
                and not checked further.

        Raises:
            InputError, IoError: the server cannot be reached, or has no such file.
            OSError: the file cannot be written.
        """
        there = size_of(self._part)
        self.continued = there > 0
        if there != self._file.size:
            self._complete(url)
        _hand_over(self._part, Path(output_file))

    def _complete(self, url: str) -> None:
        """Brings what is missing. No part is begun before the server has answered well."""
        flags = os.O_RDWR | os.O_CREAT | NOT_FOLLOWED
        with contextlib.closing(self._fetching.open(url)) as remote:
            advice = "it is another file, or the template is wrong"
            expected = KnownSize(remote.name, self._file.size, advice)
            if remote.size is not None:
                expected.check_size(self._file.size, remote.size)
            # Not buffered: what came is there after a kill.
            with os.fdopen(os.open(self._part, flags, 0o666), "r+b", buffering=0) as part:
                self.continued = download(remote, part, expected, self._progress) > 0


def _hand_over(part: Path, place: Path) -> None:
    """Gives the bytes a second name, the one that pooch wants.

    Comparing the hash of a large file takes a while; pooch removes what it was given if it is
    interrupted then, and all would have to be downloaded again.
    """
    place.unlink()
    try:
        place.hardlink_to(part)
    except OSError:  # a file system that has no such thing
        rename(part, place)
