"""A patch on a server of which only the front is fetched, and payloads when they are asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.fetching.openers import DEFAULT_FETCHING, Fetching
from sapwood.fetching.remote import Remote, read_beginning, read_part
from sapwood.files.sources import Source, read_source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.receiving.memory import Room
from sapwood.models.receiving.received import spooled_patch
from sapwood.patch.applying.opening import check_length
from sapwood.patch.format.front import PREAMBLE, Segment
from sapwood.patch.format.parsing import parse_preamble


class RemoteBody:
    """The payloads of a patch on a server, as a content of which each slice is a request.

    Attributes:
        window: bytes that are to be fetched at once of what is read from front to back.
    """

    def __init__(self, remote: Remote, begin: int, length: int) -> None:
        """Fetches nothing.

        Args:
            remote: the patch, opened; parts of it can be had.
            begin: where the body begins in it, bytes.
            length: bytes of the body.
        """
        self._remote = remote
        self._begin = begin
        self._length = length
        self.window = remote.pace.window

    def __len__(self) -> int:
        """Bytes of the body."""
        return self._length

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`."""
        begin, end, _ = part.indices(self._length)
        fetched = read_part(self._remote, self._begin + begin, self._begin + end)
        return np.frombuffer(fetched, np.uint8)


class RemotePatch:
    """A patch on a server: its front is here.

    Attributes:
        body: its payloads.
    """

    def __init__(self, remote: Remote, limits: Limits) -> None:
        """Fetches the front.

        Args:
            remote: the patch, opened; parts of it can be had.
            limits: what the front may take.

        Raises:
            InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is no patch, or
                not of the length that it says.
            IoError: it cannot be had.
        """
        preamble = parse_preamble(read_beginning(remote, PREAMBLE.size), limits)
        check_length(preamble.front_size + preamble.body, remote.size or 0)
        self._front = np.frombuffer(read_part(remote, 0, preamble.front_size), np.uint8)
        self.body = RemoteBody(remote, preamble.front_size, preamble.body)

    def __len__(self) -> int:
        """Bytes of the whole patch."""
        return len(self._front) + len(self.body)

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`; one side of the border between front and body only."""
        begin, end, _ = part.indices(len(self))
        if end <= len(self._front):
            return self._front[begin:end]
        return self.body[begin - len(self._front) : end - len(self._front)]


class Window:
    """The body of a patch on a server, read from front to back, a window at a time.

    Slices of adjacent payloads come from few requests. Nothing outside of what was announced is
    fetched ahead. What was handed out stays in memory while it is in use.
    """

    def __init__(self, body: RemoteBody, begin: int, end: int, size: int) -> None:
        """Fetches nothing yet.

        Args:
            body: the body of the patch.
            begin, end: offsets in the body between which it is going to be read.
            size: bytes that are fetched at once, or more where a slice is longer.
        """
        self._body = body
        self._end = end
        self._size = size
        self._at = begin
        self._held: Bytes = np.empty(0, np.uint8)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Bytes of the body."""
        return len(self._body)

    def __getitem__(self, part: slice, /) -> Bytes:
        """As `Content`."""
        begin, end, _ = part.indices(len(self._body))
        with self._lock:
            held_end = self._at + len(self._held)
            if not self._at <= begin <= held_end:
                self._at, held_end = begin, begin
                self._held = self._held[:0]
            if end > held_end:
                tail = self._held[begin - self._at :]
                until = max(end, min(held_end + self._size, self._end))
                self._held = self._fetched(tail, held_end, until)
                self._at = begin
            return self._held[begin - self._at : end - self._at]

    def _fetched(self, tail: Bytes, begin: int, end: int) -> Bytes:
        """What was left of a window, and the bytes [begin, end) of the body behind it."""
        new = self._body[begin:end]
        return np.concatenate([tail, new]) if len(tail) else new


def announced(body: Content, segments: Sequence[Segment], room: Room) -> Content:
    """A body of which the payloads of adjacent segments are going to be read, in order.

    Args:
        body: the body of an opened patch; given back as it is if it is here.
        segments: adjacent segments.
        room: the memory for what is fetched at once: a window, or more for a longer payload.
    """
    if not isinstance(body, RemoteBody) or not segments:
        return body
    end = segments[-1].body_offset + segments[-1].payload_size
    return Window(body, segments[0].body_offset, end, room.window(body.window))


def patch_parts(
    patch: Source, limits: Limits = DEFAULT_LIMITS, fetching: Fetching = DEFAULT_FETCHING
) -> Content:
    """A patch of which parts are going to be read: on a server that has parts, it stays there.

    Args:
        patch: a path, bytes, a file object or a URL.
        limits: what the front may take.
        fetching: how what is elsewhere is brought.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, InputError, IoError: as
            `received`.
    """
    if not fetching.is_url(patch):
        return read_source(patch)
    remote = fetching.open(patch)
    if remote.ranges:
        return RemotePatch(remote, limits)
    with contextlib.closing(remote):
        return spooled_patch(remote, limits)
