"""Buffers of any lengths as one string of bytes, taken in pieces of other lengths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import InputError
from sapwood.patch.format.front import FileDigest

Buffer: TypeAlias = bytes | bytearray | memoryview | np.ndarray[Any, Any]
NOTHING: Bytes = np.empty(0, np.uint8)
STRIPE = 1 << 20  # bytes skipped at once


class Regrouped:
    """Buffers of any lengths, read as one string of bytes of a known size."""

    def __init__(self, buffers: Iterable[Buffer], size: int, what: str) -> None:
        """Reads nothing yet.

        Args:
            buffers: the parts, in order.
            size: bytes of all parts together.
            what: name of the whole, for errors.
        """
        self._buffers = iter(buffers)
        self._left: Bytes = NOTHING
        self._size = size
        self._what = what
        self._taken = 0
        self._hasher = blake3()

    def take(self, size: int) -> Bytes:
        """The next bytes, copied.

        Raises:
            InputError: there are fewer, or something among the parts is no buffer.
        """
        out = np.empty(size, np.uint8)
        at = 0
        while at < size:
            if not len(self._left):
                self._left = self._next(self._taken + at)
            part = self._left[: size - at]
            out[at : at + len(part)] = part
            at += len(part)
            self._left = self._left[len(part) :]
        self._hasher.update(out.data)
        self._taken += size
        return out

    def _next(self, begin: int) -> Bytes:
        for buffer in self._buffers:
            found = _buffer_bytes(buffer, self._what)
            if len(found):
                return found
        raise InputError(
            f"the {self._what} ends after {begin} bytes, expected {self._size}; "
            f"check dtype and shape, or get the {self._what} anew"
        )

    def skip(self) -> None:
        """Reads what is left of the size."""
        while self._taken < self._size:
            self.take(min(self._size - self._taken, STRIPE))

    def finish(self) -> FileDigest:
        """Size and digest, once all was taken.

        Raises:
            InputError: more bytes follow.
        """
        more = len(self._left) or any(len(_buffer_bytes(b, self._what)) for b in self._buffers)
        if more:
            raise InputError(
                f"the {self._what} goes on after its {self._size} bytes; check dtype and shape"
            )
        return FileDigest(self._taken, self._hasher.digest())


def _buffer_bytes(buffer: Any, what: str) -> Bytes:
    """The bytes of a buffer where they are.

    Raises:
        InputError: it is no contiguous buffer of bytes or little-endian numbers.
    """
    try:
        view = memoryview(buffer)
        if view.format[0] in ">!":
            raise TypeError("big-endian")
        return np.frombuffer(view.cast("B"), np.uint8) if view.nbytes else NOTHING
    except (TypeError, ValueError, BufferError) as e:
        raise InputError(
            f"expected the {what} as contiguous buffers of little-endian elements, found "
            f"{type(buffer).__name__} ({e}); pass array.view(np.uint8)"
        ) from e
