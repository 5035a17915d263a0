"""zstd from the standard library of Python 3.14, or its backport before that."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIBRARY_VERSION = f"libzstd {zstd.zstd_version}"


def compress(data: bytes | memoryview, level: int, threads: int, *, long: bool = False) -> bytes:
    """One frame with the size of its content, made on this many threads.

    `long` looks for matches in a window of 128 MiB, as the program does with --long.
    """
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        # 0 compresses in the calling thread and gives one job; 1 starts a worker
        zstd.CompressionParameter.nb_workers: threads if threads > 1 else 0,
    }
    if long:
        options[zstd.CompressionParameter.window_log] = 27
        options[zstd.CompressionParameter.enable_long_distance_matching] = 1
    return zstd.compress(data, options=options)


def decompress(frame: bytes | memoryview) -> bytes:
    return zstd.decompress(frame)


__all__ = ["LIBRARY_VERSION", "compress", "decompress", "zstd"]
