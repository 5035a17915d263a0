"""Decodes copies from anywhere in the base, and new bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.content.zstd import decompress_into
from sapwood.errors import InvalidPatch
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.frames import frame_errors

STRIPE = 1 << 16  # bytes of operations looked at together


def decode_splice(payload: Bytes, base: Content, out: Bytes) -> None:
    """Writes the target bytes of a chunk to `out`.

    Raises:
        InvalidPatch: the payload is damaged or hostile. Nothing outside `out` changed.
    """
    at = 0
    for new, source, length in _operations(payload, len(base), len(out)):
        out[at : at + len(new)] = new
        at += len(new)
        if length:
            out[at : at + length] = base[source : source + length]
        at += length


def splice_copies(payload: Bytes, base_size: int, size: int) -> Iterator[Copy]:
    """What a chunk copies, without reading it; target offsets are in the chunk.

    Args:
        payload: payload of the chunk.
        base_size: bytes of the base that the copies refer to.
        size: bytes of the chunk.

    Raises:
        InvalidPatch: the payload is damaged or hostile.
    """
    at = 0
    for new, source, length in _operations(payload, base_size, size):
        at += len(new)
        if length:
            yield Copy(at, source, length)
        at += length


def _operations(payload: Bytes, base_size: int, size: int) -> Iterator[tuple[Bytes, int, int]]:
    """New bytes, then the base's first byte and how many to copy: what makes a chunk.

    One at a time: there may be too many to keep. The last copies nothing. Arguments and errors
    as `splice_copies`.
    """
    front = Varints(payload)
    content_size = front.next()
    # Operations take at least 3 bytes and make at least 1, new bytes make themselves.
    if content_size > 4 * size + 16:
        raise InvalidPatch("damaged chunk: more operations than bytes; get the patch anew")
    content = np.empty(content_size, np.uint8)
    with frame_errors("chunk"):
        decompress_into(payload[front.at :].data, content)
    numbers = Varints(content)
    count = numbers.next()
    if count > size // 8 + 64:
        raise InvalidPatch("damaged chunk: more copies than bytes; get the patch anew")
    # The new bytes stand behind the operations.
    end = Varints(content, numbers.at)
    end.skip(3 * count)
    literals = content[end.at :]
    at = literal = expected = 0
    for _ in range(count):
        new, length, zigzag = numbers.next(), numbers.next(), numbers.next()
        source = expected + (zigzag >> 1 if zigzag % 2 == 0 else -(zigzag + 1 >> 1))
        if (
            length == 0
            or new > len(literals) - literal
            or length > size - at - new
            or not 0 <= source <= base_size - length
        ):
            raise InvalidPatch("damaged chunk: a copy out of range; get the patch anew")
        yield literals[literal : literal + new], source, length
        literal += new
        at += new + length
        expected = source + length
    if len(literals) - literal != size - at:
        raise InvalidPatch("damaged chunk: lengths do not add up; get the patch anew")
    yield literals[literal:], 0, 0


class Varints:
    """Reads LEB128 numbers up to 64 bits, in their shortest form only."""

    def __init__(self, data: Bytes, at: int = 0) -> None:
        """Reads `data` from the byte `at` on."""
        self._data = data
        self.at = at

    def skip(self, count: int) -> None:
        """Passes over `count` numbers, unchecked but for their ends.

        Raises:
            InvalidPatch: there are fewer.
        """
        while count:
            stripe = self._data[self.at : self.at + STRIPE]
            ends = np.flatnonzero(stripe < 0x80)
            if len(stripe) == 0:
                raise InvalidPatch("damaged chunk: a number is cut off; get the patch anew")
            if len(ends) >= count:
                self.at += int(ends[count - 1]) + 1
                return
            self.at += len(stripe)
            count -= len(ends)

    def next(self) -> int:
        """The next number.

        Raises:
            InvalidPatch: cut off, too long, or not the shortest form.
        """
        value = shift = 0
        while True:
            if self.at >= len(self._data) or shift > 63:
                raise InvalidPatch("damaged chunk: a number is cut off; get the patch anew")
            byte = int(self._data[self.at])
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift != 0:
                    raise InvalidPatch("damaged chunk: a padded number; get the patch anew")
                if value >> 64:
                    raise InvalidPatch("damaged chunk: a number too large; get the patch anew")
                return value
            shift += 7
