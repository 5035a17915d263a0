"""Decodes a zstd frame that goes on from a part of the base."""

from __future__ import annotations

from sapwood.content.content import Bytes, Content
from sapwood.content.zstd import LEAST_PREFIX, decompress_into
from sapwood.errors import InvalidPatch
from sapwood.patch.applying.splice import Varints
from sapwood.patch.format.frames import frame_errors

MOST_PREFIX = 1 << 22  # bytes; it is held in memory


def decode_prefixed(payload: Bytes, base: Content, out: Bytes) -> None:
    """Writes the target bytes of a chunk to `out`.

    Raises:
        InvalidPatch: the payload is damaged or hostile. Nothing outside `out` changed.
    """
    (begin, end), at = _parsed_prefix(payload, len(base))
    with frame_errors("chunk"):
        decompress_into(payload[at:].data, out, base[begin:end].data)


def prefix_span(payload: Bytes, base_size: int) -> tuple[int, int]:
    """Begin and end of the part of the base that a chunk goes on from, bytes.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    return _parsed_prefix(payload, base_size)[0]


def _parsed_prefix(payload: Bytes, base_size: int) -> tuple[tuple[int, int], int]:
    """What `prefix_span` gives, and where the frame begins in the payload."""
    front = Varints(payload)
    begin, size = front.next(), front.next()
    if not LEAST_PREFIX <= size <= MOST_PREFIX or begin > base_size - size:
        raise InvalidPatch("damaged chunk: a prefix out of range; get the patch anew")
    return (begin, begin + size), front.at
