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
    """The payload of a chunk. Where that takes no noticeable time, without short copies if smaller.

    Args:
        target: bytes of the chunk.
        offset: of the chunk in the whole target, which the copies refer to.
        copies: ascending, inside the chunk.
        level: of zstd, 1 to 19.
    """
    contents = [splice_content(target, offset, copies)]
    if len(contents[0]) <= SMALL:
        long = [copy for copy in copies if copy.length >= LONG]
        if len(long) < len(copies):
            contents.append(splice_content(target, offset, long))
    return min((packed(content, level) for content in contents), key=len)


def packed(content: bytes, level: int) -> bytes:
    """A frame behind the size of its content."""
    payload = bytearray()
    put_varint(payload, len(content))
    return bytes(payload) + compress(content, level if len(content) > SMALL else BEST_LEVEL)


def splice_content(target: Bytes, offset: int, copies: Sequence[Copy]) -> bytes:
    """Operations and new bytes.

    Takes what `encode_splice` does.
    """
    operations = bytearray()
    literals = []
    at = offset
    expected = 0  # where the base would go on
    for copy in copies:
        literals.append(target[at - offset : copy.target - offset])
        put_varint(operations, copy.target - at)
        put_varint(operations, copy.length)
        step = copy.base - expected
        put_varint(operations, 2 * step if step >= 0 else -2 * step - 1)
        at, expected = copy.target_end, copy.base_end
    literals.append(target[at - offset :])
    head = bytearray()
    put_varint(head, len(copies))
    return bytes(head + operations) + b"".join(part.tobytes() for part in literals)


def put_varint(out: bytearray, value: int) -> None:
    """LEB128, the shortest form."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
