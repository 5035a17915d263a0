"""zstd frames with bounded output: the standard library's module, or its backport."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from sapwood.content.content import Bytes, Content

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEAST_PREFIX = 8  # bytes; the module asks for as many
STRIPE = 1 << 17  # bytes that are fed, and taken, at once
FIRST = 1 << 9  # bytes that are fed at first where a frame may end after any of them
DECODER = 5 << 17  # bytes that a decoder takes beside its window, at most

SMALLEST_WINDOW, LARGEST_WINDOW = 10, 31  # powers of two, bytes
MAGIC = b"\x28\xb5\x2f\xfd"
LONGEST_HEADER = 18  # bytes of a frame's header
SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 0x50 on: a frame without content


class DamagedFrame(ValueError):
    """A frame is damaged, or holds another size. Whoever knows what it was says so."""


class LargeWindow(ValueError):
    """A frame asks for more memory than is allowed as the window that it refers back to."""


def is_frame(beginning: bytes) -> bool:
    """Whether a file is one of zstd, by its first four bytes."""
    skippable = beginning[1:4] == SKIPPABLE and beginning[0] & 0xF0 == 0x50
    return beginning[:4] == MAGIC or skippable


def unpacked_frames(data: Content, window: int) -> Iterator[bytes]:
    """What frames end to end hold, at most 128 KiB at a time.

    Args:
        data: nothing but frames; read as their content is asked for.
        window: bytes that a frame may ask for as its window, rounded down to a power of two; at
            least 1 KiB, and at most 2 GiB, whatever is given.

    Raises:
        DamagedFrame: a frame is damaged or cut off; when it is read.
        LargeWindow: a frame asks for a larger window; likewise, before it is unpacked.
    """
    exponent = min(max(SMALLEST_WINDOW, window.bit_length() - 1), LARGEST_WINDOW)
    options = {int(zstd.DecompressionParameter.window_log_max): exponent}
    at = 0
    while at < len(data):
        _check_window(bytes(data[at : min(len(data), at + LONGEST_HEADER)]), 1 << exponent)
        decompressor, length = zstd.ZstdDecompressor(options=options), FIRST
        while not decompressor.eof:
            piece = b""
            if decompressor.needs_input:
                piece = bytes(data[at : min(len(data), at + length)])
                at += len(piece)
                length = min(2 * length, STRIPE)
            try:
                part: bytes = decompressor.decompress(piece, max_length=STRIPE)
            except zstd.ZstdError as e:
                raise DamagedFrame(str(e)) from e
            if part:
                yield part
            elif not piece and decompressor.needs_input and not decompressor.eof:
                raise DamagedFrame("the frame is cut off")
        at -= len(decompressor.unused_data)


def _check_window(header: bytes, most: int) -> None:
    """Refuses a frame whose header asks for a window of more than `most` bytes."""
    if header.startswith(MAGIC) and len(header) > len(MAGIC) + 1:
        asked = window_of(memoryview(header), 1 << LARGEST_WINDOW)
        if asked > most:
            raise LargeWindow(f"a window of at most {most} bytes, found {asked}")


def compress(data: bytes | memoryview, level: int) -> bytes:
    """One frame, with the size of its content in its header."""
    frame: bytes = zstd.compress(data, level=level)
    return frame


def compress_after(prefix: bytes, data: bytes | memoryview, level: int) -> bytes:
    """One frame of `data` that refers to a prefix, with the size of its content in its header."""
    parameter = zstd.CompressionParameter
    options = {
        int(parameter.compression_level): level,
        int(parameter.enable_long_distance_matching): 1,
    }
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=_as_prefix(prefix))
    compressor.set_pledged_input_size(len(data))
    frame: bytes = compressor.compress(data, compressor.FLUSH_FRAME)
    return frame


def _as_prefix(prefix: bytes | memoryview) -> Any:
    """What zstd takes for bytes that stand before a content; None for fewer than it takes."""
    return zstd.ZstdDict(prefix, is_raw=True).as_prefix if len(prefix) >= LEAST_PREFIX else None


def decompress(frame: bytes | memoryview, size: int) -> bytes:
    """The content of one frame of exactly `size` bytes.

    No more than `size` bytes and one are ever produced, whatever the frame claims, and
    its window must not be larger than a frame of that size needs.

    Args:
        frame: the whole frame.
        size: bytes of the content.

    Raises:
        DamagedFrame: the content has another size, or the frame is damaged or has bytes after it.
    """
    decompressor = _bounded(size)
    try:
        out: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as e:
        raise DamagedFrame(str(e)) from e
    if len(out) != size or not decompressor.eof or decompressor.unused_data:
        raise DamagedFrame(f"expected {size} bytes unpacked")
    return out


def _bounded(size: int, prefix: bytes | memoryview = b"") -> zstd.ZstdDecompressor:
    """A decoder of a frame of `size` bytes, with no larger window than that needs."""
    # A frame's window is memory too; no encoder that knows the size makes it larger.
    window = min(max(SMALLEST_WINDOW, size.bit_length()), LARGEST_WINDOW)
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: window},
        zstd_dict=_as_prefix(prefix),
    )


def decompress_into(frame: memoryview, out: Bytes, prefix: bytes | memoryview = b"") -> None:
    """As `decompress`, into memory of the caller's: beside it little more than a window is taken.

    Args:
        frame: the whole frame.
        out: memory of the size of the content; unspecified after an error.
        prefix: bytes that the frame refers to, at least LEAST_PREFIX; or none. Copied.

    Raises:
        DamagedFrame: as `decompress`.
    """
    decompressor = _bounded(len(out), prefix)
    fed = at = 0
    try:
        while not decompressor.eof:
            piece = frame[fed : fed + STRIPE] if decompressor.needs_input else frame[:0]
            fed += len(piece)
            part = decompressor.decompress(piece, max_length=min(STRIPE, len(out) - at + 1))
            if len(part) > len(out) - at or not (piece or part or decompressor.needs_input):
                break
            if not part and not piece and fed == len(frame):
                break  # cut off
            out[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
    except zstd.ZstdError as e:
        raise DamagedFrame(str(e)) from e
    whole = decompressor.eof and fed == len(frame) and not decompressor.unused_data
    if at != len(out) or not whole:
        raise DamagedFrame(f"expected {len(out)} bytes unpacked")


def window_of(frame: memoryview, size: int) -> int:
    """The bytes of window that a frame asks for, by its header (RFC 8878, 3.1.1.1).

    Args:
        frame: the first bytes of the frame, at least. Where its header cannot be read, the
            window is the largest that is allowed.
        size: bytes of its content.
    """
    most: int = 1 << min(max(SMALLEST_WINDOW, size.bit_length()), LARGEST_WINDOW)
    if len(frame) < 6:
        return most
    flags = frame[4]
    if not flags & 0x20:
        exponent, mantissa = frame[5] >> 3, frame[5] & 7
        base = 1 << (10 + exponent)
        return min(most, base + base // 8 * mantissa)
    # One segment: the content is the window, as large as the header says that it is.
    begin = 5 + (0, 1, 2, 4)[flags & 3]
    width = 1 << (flags >> 6)
    field = frame[begin : begin + width]
    claimed = int.from_bytes(field, "little") + (256 if width == 2 else 0)
    return min(most, claimed) if len(field) == width else most
