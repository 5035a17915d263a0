"""A whole patch, from wherever it comes: a file, memory, a pipe or a URL."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator

from sapwood.content.content import Bytes
from sapwood.errors import InvalidPatch
from sapwood.fetching.download import download
from sapwood.fetching.openers import DEFAULT_FETCHING, Fetching
from sapwood.fetching.remote import Remote, read_beginning
from sapwood.files.kept import beside, kept_file
from sapwood.files.outputs import PLACE, Output, resumable_place
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, mapped, read_source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.applying.opening import check_length
from sapwood.patch.format.front import PREAMBLE
from sapwood.patch.format.parsing import parse_preamble
from sapwood.progress import Progress, silent

PRIVATE = 0o600


@dataclasses.dataclass(frozen=True, slots=True)
class ExpectedPatch:
    """A patch that is to be downloaded: it says itself how long it is.

    Attributes:
        limits: what its front may take.
    """

    limits: Limits

    @property
    def beginning(self) -> int:
        """Bytes of the preamble."""
        return PREAMBLE.size

    def size(self, beginning: bytes, /) -> int:
        """The bytes that a patch has by its own preamble.

        Raises:
            InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is no patch.
        """
        preamble = parse_preamble(beginning, self.limits)
        return preamble.front_size + preamble.body

    def check_size(self, size: int, found: int | None) -> None:
        """Compares the bytes that there are with those that the patch says.

        Raises:
            TruncatedPatch, InvalidPatch: the patch has fewer or more bytes than it says.
        """
        if found is None:
            raise InvalidPatch(f"more than the {size} bytes that it says; get the patch anew")
        check_length(size, found)


@contextlib.contextmanager
def received(
    patch: Source,
    limits: Limits = DEFAULT_LIMITS,
    *,
    resumed: Output | None = None,
    progress: Progress = silent,
    fetching: Fetching = DEFAULT_FETCHING,
) -> Iterator[Bytes]:
    """The bytes of a patch: memory-mapped, wherever it comes from, so that they take no memory.

    What comes from a URL lies in a temporary file while the block lasts, and afterwards as
    long as the bytes are in use. Its digests are the caller's to compare, as those of any patch.

    Args:
        patch: a path, bytes, a file object or a URL.
        limits: what its front may take.
        resumed: the output beside which the download is kept when it or the block is cut
            short, and where an earlier one is looked for; None to keep nothing.
        progress: is told how many bytes of a download are done.
        fetching: how what is elsewhere is brought.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: a URL leads to something
            that is no patch, or not of the length that it says.
        InputError: it is nothing of the kind, or `resumed` is no path.
        IoError: it cannot be read; what was downloaded stays, if it is to be kept.
    """
    if not fetching.is_url(patch):
        yield read_source(patch)
        return
    with contextlib.closing(fetching.open(patch)) as remote:
        if resumed is None or not remote.ranges:
            yield spooled_patch(remote, limits, progress)
            return
        digest = parse_preamble(read_beginning(remote, PREAMBLE.size), limits).digest
        kept = beside(resumable_place(resumed).path, digest, "download")
        with kept_file(kept, PRIVATE) as file:
            with os_errors(kept):
                download(remote, file, ExpectedPatch(limits), progress)
                data = mapped(file)
            remote.close()
            yield data


def spooled_patch(remote: Remote, limits: Limits, progress: Progress = silent) -> Bytes:
    """The bytes of a patch elsewhere, through a temporary file.

    Args:
        remote: the patch.
        limits: what its front may take.
        progress: is told how many bytes are done.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as `received`.
    """
    with os_errors(PLACE), tempfile.TemporaryFile() as spool:
        download(remote, spool, ExpectedPatch(limits), progress)
        return mapped(spool)
