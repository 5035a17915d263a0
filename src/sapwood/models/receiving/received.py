"""A whole patch, from wherever it comes: a file, memory, a pipe or a URL."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO, cast

from sapwood.content.content import Bytes
from sapwood.errors import InvalidPatch
from sapwood.fetching.http import BrokenOff, RemoteFile
from sapwood.fetching.urls import is_url
from sapwood.files.kept import beside, kept_file
from sapwood.files.outputs import PLACE, Output, resumable_place
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, mapped, read_source
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.applying.opening import check_length
from sapwood.patch.format.front import PREAMBLE
from sapwood.patch.format.parsing import parse_preamble
from sapwood.progress import Progress, silent

PRIVATE = 0o600


@contextlib.contextmanager
def received(
    patch: Source,
    limits: Limits = DEFAULT_LIMITS,
    *,
    resumed: Output | None = None,
    progress: Progress = silent,
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

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: a URL leads to something
            that is no patch, or not of the length that it says.
        InputError: it is nothing of the kind, or `resumed` is no path.
        IoError: it cannot be read; what was downloaded stays, if it is to be kept.
    """
    if not is_url(patch):
        yield read_source(patch)
        return
    with RemoteFile(cast("str", patch)) as remote:
        if resumed is None or not remote.ranges:
            with os_errors(PLACE), tempfile.TemporaryFile() as spool:
                download(remote, spool, limits, progress)
                data = mapped(spool)
            yield data
            return
        digest = parse_preamble(remote.head[: PREAMBLE.size], limits).digest
        kept = beside(resumable_place(resumed).path, digest, "download")
        with kept_file(kept, PRIVATE) as file:
            with os_errors(kept):
                download(remote, file, limits, progress)
                data = mapped(file)
            remote.close()
            yield data


def download(remote: RemoteFile, out: IO[bytes], limits: Limits, progress: Progress) -> None:
    """Brings a whole patch into a file, which may have the beginning of it.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is no patch, or not of
            the length that it says.
        IoError: the server fails for good.
        OSError: from `out`.
    """
    if not remote.ranges:
        download_whole(remote, out, limits, progress)
        return
    total = patch_size(remote.head, limits)
    check_length(total, remote.size or 0)
    at = common_beginning(remote, out, total)
    out.seek(at)
    out.truncate()
    for piece in with_head(remote, at, total):
        write_all(out, memoryview(piece))
        at += len(piece)
        progress(at, total)
    out.flush()


def with_head(remote: RemoteFile, begin: int, end: int) -> Iterator[bytes]:
    """The bytes [begin, end), of which the first are there already."""
    there = remote.head[begin:end]
    yield there
    yield from remote.pieces(begin + len(there), end)


def common_beginning(remote: RemoteFile, file: IO[bytes], total: int) -> int:
    """How many bytes of an earlier download can be kept.

    The preamble names the patch by a digest over all of it, so that what begins equally was
    meant to be the same. What is damaged further on is found by the digests of the patch.
    """
    file.seek(0)
    head = file.read(len(remote.head))
    if len(head) < PREAMBLE.size or head != remote.head[: len(head)]:
        return 0
    return min(file.seek(0, 2), total)


def download_whole(remote: RemoteFile, out: IO[bytes], limits: Limits, progress: Progress) -> None:
    """As `download`, from a server that does not give parts: from the beginning at each try."""
    tries = remote.tries()
    while True:
        out.seek(0)
        out.truncate()
        try:
            take_whole(remote, out, limits, progress)
        except BrokenOff as e:
            tries.failed(e)
        else:
            out.flush()
            return


def take_whole(remote: RemoteFile, out: IO[bytes], limits: Limits, progress: Progress) -> None:
    """One try of `download_whole`. No more is taken than the patch says that it has."""
    head = b""
    total: int | None = None
    at = 0
    for piece in remote.whole():
        at += len(piece)
        if total is None:
            head += piece
            if len(head) < PREAMBLE.size:
                continue
            total = patch_size(head, limits)
            if remote.size is not None:
                check_length(total, remote.size)
            piece = head  # noqa: PLW2901 what was held back comes first
        if at > total:
            raise InvalidPatch(f"more than the {total} bytes that it says; get the patch anew")
        write_all(out, memoryview(piece))
        progress(at, total)
    if total is None:
        parse_preamble(head, limits)  # too short: this says it
    elif at < total:
        raise BrokenOff(f"{total - at} bytes are missing")


def patch_size(head: bytes, limits: Limits) -> int:
    """The bytes that a patch has by its own preamble."""
    preamble = parse_preamble(head[: PREAMBLE.size], limits)
    return preamble.front_size + preamble.body
