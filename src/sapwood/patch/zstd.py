"""zstd frames with bounded output: the standard library's module, or its backport."""

from __future__ import annotations

import sys

from sapwood.errors import InvalidPatch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SMALLEST_WINDOW, LARGEST_WINDOW = 10, 31  # powers of two, bytes


def compress(data: bytes | memoryview, level: int) -> bytes:
    """One frame, with the size of its content in its header."""
    frame: bytes = zstd.compress(data, level=level)
    return frame


def decompress(frame: bytes | memoryview, size: int, what: str) -> bytes:
    """The content of one frame of exactly `size` bytes.

    No more than `size` bytes and one are ever produced, whatever the frame claims, and
    its window must not be larger than a frame of that size needs.

    Raises:
        InvalidPatch: another size, bytes after the frame, or a damaged frame.
    """
    # A frame's window is memory too; no encoder that knows the size makes it larger.
    window = min(max(SMALLEST_WINDOW, size.bit_length()), LARGEST_WINDOW)
    decompressor = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: window}
    )
    try:
        out: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as e:
        raise InvalidPatch(f"damaged {what}: {e}; get the patch anew") from e
    if len(out) != size or not decompressor.eof or decompressor.unused_data:
        raise InvalidPatch(f"damaged {what}: expected {size} bytes unpacked; get the patch anew")
    return out
