"""The splice coding: a chunk as copies from anywhere in the base, and new bytes.

A payload is one zstd frame behind the size of its content. The content is a list
of operations and then the new bytes, in order (spec/patch-v1.md, Splice).
"""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.content.content import Bytes
from sapwood.content.zstd import compress
from sapwood.patch.format.copies import Copy

SMALL = 1 << 18  # bytes of content that the best level takes no noticeable time for
BEST_LEVEL = 19
# Bytes of a copy that is worth its place in the list: with fewer of them zstd often does better.
LONG = 64


def encode_splice(target: Bytes, offset: int, copies: Sequence[Copy], level: int) -> bytes:
    """The payload of a chunk.

    Where that takes no noticeable time, it has no short copies if it is smaller without them.

    Args:
        target: bytes of the chunk.
        offset: first byte of the chunk in the whole target, which the copies refer to.
        copies: ascending copies inside the chunk.
        level: level of zstd, 1 to 19.
    """
    contents = [splice_content(target, offset, copies)]
    if len(contents[0]) <= SMALL:
        long = [copy for copy in copies if copy.length >= LONG]
        if len(long) < len(copies):
            contents.append(splice_content(target, offset, long))
    return min((packed(content, level) for content in contents), key=len)


def packed(content: bytes, level: int) -> bytes:
    """The content as a zstd frame, behind the size of the content."""
    frame = compress(content, level if len(content) > SMALL else BEST_LEVEL)
    return varint(len(content)) + frame


def splice_content(target: Bytes, offset: int, copies: Sequence[Copy]) -> bytes:
    """The operations and then the new bytes of a chunk; arguments as `encode_splice`."""
    operations = bytearray()
    literals = []
    at = offset
    expected = 0  # where the base would go on
    for copy in copies:
        literals.append(target[at - offset : copy.target - offset])
        step = copy.base - expected
        zigzag = 2 * step if step >= 0 else -2 * step - 1
        operations += varint(copy.target - at) + varint(copy.length) + varint(zigzag)
        at, expected = copy.target_end, copy.base_end
    literals.append(target[at - offset :])
    return varint(len(copies)) + operations + b"".join(part.tobytes() for part in literals)


def varint(value: int) -> bytes:
    """A number that is not negative as LEB128, in the shortest form."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
