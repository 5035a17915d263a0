"""What the tensors of a target are decoded from: a patch, here or on a server, and its bases."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from sapwood.content.content import Content
from sapwood.files.sources import Source
from sapwood.models.applying.bases import matched_sources
from sapwood.models.receiving.memory import Room
from sapwood.models.receiving.opening import Received, receive
from sapwood.models.receiving.ranges import announced
from sapwood.models.receiving.receiving import Receiving
from sapwood.patch.applying.decoding import DecodedChunk, Place, decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import Segment


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What tensors are decoded from.

    Attributes:
        received: the patch.
        bases: the contents of its bases, in its order.
        threads: how many threads decode a tensor.
        room: the memory that they may take.
    """

    received: Received
    bases: Sequence[Content]
    threads: int
    room: Room

    @classmethod
    def of(
        cls,
        base: Source | Sequence[Source],
        patch: Source | Received,
        receiving: Receiving,
        signature: Source | Sequence[Source] | None = None,
        *,
        target: bool = True,
    ) -> Origin:
        """Receives a patch, in parts if it is on a server that gives those, and finds its bases.

        Args:
            base, patch, receiving, signature: as of `load_patched`.
            target: whether the memory that chunks are decoded into counts.

        Raises:
            SignatureError, SourceHashMismatch, InvalidPatch, TruncatedPatch,
                UnsupportedPatch, LimitExceeded, InputError, IoError: as `load_patched`.
        """
        count = receiving.most_threads
        with receive(patch, receiving, signature=signature, parts=True) as received:
            bases = matched_sources(received.opened, base, count)
        room = Room(receiving.memory, target)
        return cls(received, bases, count if receiving.memory is None else 1, room)

    @property
    def opened(self) -> OpenPatch:
        """The patch, opened."""
        return self.received.opened

    def chunks(self, place: Place, segments: tuple[Segment, ...]) -> Iterator[DecodedChunk]:
        """The chunks of adjacent segments, fetched together if they are not here.

        Raises:
            InvalidPatch, TargetHashMismatch, LimitExceeded, IoError: as `PatchedModel.tensor`.
        """
        body = announced(self.opened.body, segments, self.room)
        return decode_chunks(
            dataclasses.replace(self.opened, body=body),
            self.bases,
            place,
            self.threads,
            segments=segments,
            inspect=self.room.inspection(self.opened.front, remote=not self.received.is_here),
        )
