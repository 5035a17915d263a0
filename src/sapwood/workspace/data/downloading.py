"""Downloads one file from one URL, and goes on with what an earlier try has left of it.

What is kept of a cut download is not tied to a server: whether it was the right beginning is
told by the hash of the whole, which the manifest has. It is gone on with where the server gives
parts, has a file of the right size, and begins it with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from sapwood.errors import IoError
from sapwood.fetching.http import BrokenOff, RemoteFile
from sapwood.files.reading import NOT_FOLLOWED
from sapwood.package.manifest.datasets import DataFile
from sapwood.workspace.data.files import size_of


class Resuming:
    """A downloader as pooch takes them: brings a URL into a file, of which pooch checks the hash.

    Attributes:
        continued: whether what was brought begins with what an earlier try had left.
    """

    def __init__(
        self, file: DataFile, part: Path, most_failures: int, progress: Callable[[int], object]
    ) -> None:
        """Does nothing yet.

        Args:
            file: that is wanted.
            part: where it grows; stays after a failure, an interrupt or a kill.
            most_failures: of connections in a row that are made good for by trying again.
            progress: is told how many bytes are there.
        """
        self._file = file
        self._part = part
        self._most_failures = most_failures
        self._progress = progress
        self.continued = False

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Downloads.

        Args:
            url: of http or https.
            output_file: gets the bytes, of the right number and not checked further.

        Raises:
            InputError, IoError: the server cannot be reached, or has no such file.
            OSError: the file cannot be written.
        """
        there = size_of(self._part)
        self.continued = there > 0
        if there != self._file.size:
            self._complete(url)
        hand_over(self._part, Path(output_file))

    def _complete(self, url: str) -> None:
        """Brings what is missing. No part is begun before the server has answered well."""
        flags = os.O_RDWR | os.O_CREAT | NOT_FOLLOWED
        with RemoteFile(url, most_failures=self._most_failures) as remote:
            if remote.size not in {None, self._file.size}:
                raise IoError(
                    f"{remote.name}: expected {self._file.size} bytes, found {remote.size}; "
                    "it is another file, or the template is wrong"
                )
            # Not buffered: what came is there after a kill.
            with os.fdopen(os.open(self._part, flags, 0o666), "r+b", buffering=0) as part:
                if remote.ranges:
                    self._take_parts(remote, part)
                else:
                    self._take_whole(remote, part)

    def _take_parts(self, remote: RemoteFile, part: IO[bytes]) -> None:
        """From a server that gives parts."""
        at = common_beginning(remote.head, part, self._file.size)
        self.continued = at > 0
        part.seek(at)
        part.truncate()
        for piece in from_there(remote, at, self._file.size):
            write_all(part, piece)
            at += len(piece)
            self._progress(at)

    def _take_whole(self, remote: RemoteFile, part: IO[bytes]) -> None:
        """From a server that does not: from the beginning at each try."""
        self.continued = False
        tries = remote.tries()
        while True:
            part.seek(0)
            part.truncate()
            try:
                self._take_once(remote, part)
            except BrokenOff as e:
                tries.failed(e)
            else:
                return

    def _take_once(self, remote: RemoteFile, part: IO[bytes]) -> None:
        """One try of that."""
        at, size = 0, self._file.size
        for piece in remote.whole():
            if at + len(piece) > size:
                raise IoError(
                    f"{remote.name}: expected {size} bytes, and more came; "
                    "it is another file, or the template is wrong"
                )
            write_all(part, piece)
            at += len(piece)
            self._progress(at)
        if at < size:
            raise BrokenOff(f"{size - at} bytes are missing")


def hand_over(part: Path, place: Path) -> None:
    """Gives the bytes a second name, the one that pooch wants.

    Comparing the hash of a large file takes a while; pooch removes what it was given if it is
    interrupted then, and all would have to be downloaded again.
    """
    place.unlink()
    try:
        place.hardlink_to(part)
    except OSError:  # a file system that has no such thing
        part.replace(place)


def common_beginning(head: bytes, part: IO[bytes], size: int) -> int:
    """How many bytes of an earlier try can be kept.

    Args:
        head: the first bytes on the server.
        part: what there is.
        size: bytes of the whole.
    """
    part.seek(0)
    there = part.read(len(head))
    if there != head[: len(there)]:
        return 0
    return min(part.seek(0, os.SEEK_END), size)


def from_there(remote: RemoteFile, at: int, end: int) -> Iterator[bytes]:
    """The bytes [at, end) of a file on a server, of which the first may be here already."""
    here = remote.head[at:end]
    yield here
    yield from remote.pieces(at + len(here), end)


def write_all(file: IO[bytes], data: bytes) -> None:
    """Writes to a file that may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
