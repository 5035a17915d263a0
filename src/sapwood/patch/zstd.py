"""zstd frames with bounded output: the standard library's module, or its backport."""

from __future__ import annotations

import sys
from typing import Any

from sapwood.errors import InvalidPatch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEAST_PREFIX = 8  # bytes
SMALLEST_WINDOW, LARGEST_WINDOW = 10, 31  # powers of two, bytes


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
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=as_prefix(prefix))
    compressor.set_pledged_input_size(len(data))
    frame: bytes = compressor.compress(data, compressor.FLUSH_FRAME)
    return frame


def as_prefix(prefix: bytes) -> Any:
    """What zstd takes for bytes that stand before a content; without any, None."""
    # The module asks for 8 bytes at least.
    return zstd.ZstdDict(prefix, is_raw=True).as_prefix if len(prefix) >= LEAST_PREFIX else None


def decompress(frame: bytes | memoryview, size: int, what: str, prefix: bytes = b"") -> bytes:
    """The content of one frame of exactly `size` bytes.

    No more than `size` bytes and one are ever produced, whatever the frame claims, and
    its window must not be larger than a frame of that size needs.

    Args:
        frame: whole.
        size: of the content, bytes.
        what: it is, for errors.
        prefix: that the frame refers to; at least LEAST_PREFIX bytes, or none.

    Raises:
        InvalidPatch: another size, bytes after the frame, or a damaged frame.
    """
    # A frame's window is memory too; no encoder that knows the size makes it larger.
    window = min(max(SMALLEST_WINDOW, size.bit_length()), LARGEST_WINDOW)
    decompressor = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: window},
        zstd_dict=as_prefix(prefix),
    )
    try:
        out: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as e:
        raise InvalidPatch(f"damaged {what}: {e}; get the patch anew") from e
    if len(out) != size or not decompressor.eof or decompressor.unused_data:
        raise InvalidPatch(f"damaged {what}: expected {size} bytes unpacked; get the patch anew")
    return out
