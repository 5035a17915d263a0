"""What deflate, gzip and zstd hold, a stripe at a time.

Each step gives at most a MiB, whatever lies in the archive, so that whoever counts what comes
can stop in time.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import TypeAlias

from sapwood.archives.members import Fault
from sapwood.content.content import Content
from sapwood.content.zstd import DamagedFrame, LargeWindow, is_frame, unpacked_frames
from sapwood.files.reading import STRIPE, Stripes

Inflated: TypeAlias = Generator[bytes, None, int]
"""The content of one stream, part by part; it returns the offset at which the stream ends."""

RAW = -zlib.MAX_WBITS  # deflate without a frame, as zips have it
IN_GZIP = 16 + zlib.MAX_WBITS
GZIP = b"\x1f\x8b"
FIRST, MOST = 1 << 9, 1 << 16  # bytes that are fed at once, at first and later


def unpacked(content: Content, window: int, fault: Fault) -> Stripes:
    """What gzip or zstd hold, told by their first bytes; any other content as it is.

    Args:
        content: the whole file; read as the stripes are asked for.
        window: bytes that a frame of zstd may ask for as its window.
        fault: makes the error.

    Raises:
        SapwoodError: it is damaged, or asks for more memory than that; when it is read.
    """
    beginning = bytes(content[: min(len(content), 4)])
    if beginning.startswith(GZIP):
        yield from _gunzipped(content, fault)
    elif is_frame(beginning):
        try:
            yield from unpacked_frames(content, window)
        except DamagedFrame as e:
            raise fault(f"{e}", 0) from e
        except LargeWindow as e:
            raise fault(
                f"expected zstd with {e}; allow more, or pack it without --long and --ultra",
                None,
            ) from e
    else:
        yield from stored(content, 0, len(content), fault)


def stored(content: Content, begin: int, end: int, _: Fault) -> Stripes:
    """The bytes [begin, end) as they are."""
    for at in range(begin, end, STRIPE):
        yield bytes(content[at : min(end, at + STRIPE)])


def inflated(content: Content, begin: int, end: int, form: int, fault: Fault) -> Inflated:
    """What one stream of deflate holds.

    Args:
        content: the whole archive.
        begin: offset of the stream.
        end: the offset that it has to end before.
        form: RAW or IN_GZIP.
        fault: makes the error.

    Raises:
        SapwoodError: the stream is damaged or cut off; when it is read.
    """
    decoder = zlib.decompressobj(form)
    at, length = begin, FIRST
    while not decoder.eof:
        fed = decoder.unconsumed_tail
        if not fed:
            fed = bytes(content[at : min(end, at + length)])
            at += len(fed)
            length = min(2 * length, MOST)
        try:
            part = decoder.decompress(fed, STRIPE)
        except zlib.error as e:
            raise fault(f"what is deflated is damaged: {e}", at) from e
        if part:
            yield part
        elif not fed and not decoder.eof:
            raise fault("what is deflated is cut off", end)
    return at - len(decoder.unused_data)


def _gunzipped(content: Content, fault: Fault) -> Stripes:
    """What a file of gzip holds: streams one after another, and zeros behind them perhaps."""
    at = 0
    while at < len(content):
        at = yield from inflated(content, at, len(content), IN_GZIP, fault)
        at = _past_zeros(content, at)


def _past_zeros(content: Content, at: int) -> int:
    """The offset of the first byte from `at` on that is not zero."""
    while block := bytes(content[at : min(len(content), at + FIRST)]):
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            break
    return at
