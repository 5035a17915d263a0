"""The prefixed coding: a zstd frame that goes on from where a part of the base ends.

What `zstd --patch-from` does, chunk by chunk: good for bytes of which much stands in the
base in pieces too short to be copied one by one (spec/patch-v1.md, Prefixed).
"""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.content.content import Bytes, Content
from sapwood.content.zstd import LEAST_PREFIX, compress_after
from sapwood.patch.applying.prefixed import MOST_PREFIX
from sapwood.patch.format.copies import Copy
from sapwood.patch.making.splice import BEST_LEVEL, varint

SMALL = 1 << 19  # bytes of prefix and chunk that the best level takes no noticeable time for


def encode_prefixed(
    target: Bytes, offset: int, base: Content, copies: Sequence[Copy], level: int
) -> bytes | None:
    """The payload of a chunk, or None where the base has nothing to go on from.

    Args:
        target: bytes of the chunk.
        offset: first byte of the chunk in the whole target.
        base: the whole base.
        copies: copies that were found for the chunk; they tell which part of the base it is like.
        level: level of zstd, 1 to 19.
    """
    begin, size = _prefix_of(len(target), offset, len(base), copies)
    if size < LEAST_PREFIX:
        return None
    best = BEST_LEVEL if size + len(target) <= SMALL else level
    prefix = base[begin : begin + size].tobytes()
    frame = compress_after(prefix, target.data, max(level, best))
    return varint(begin) + varint(size) + frame


def _prefix_of(length: int, offset: int, base_size: int, copies: Sequence[Copy]) -> tuple[int, int]:
    """Begin and size of the part of the base that a chunk goes on from.

    It is as much as may be around what the chunk has of the base, or around its own place.
    """
    if base_size <= MOST_PREFIX:
        return 0, base_size
    first = min((copy.base for copy in copies), default=offset)
    last = max((copy.base_end for copy in copies), default=offset + length)
    begin = (first + last - MOST_PREFIX) // 2
    return max(0, min(begin, base_size - MOST_PREFIX)), MOST_PREFIX
