"""What the tensors of a target are decoded from: a patch, here or on a server, and its bases."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from sapwood.content.content import Content
from sapwood.fetching.openers import DEFAULT_FETCHING, Fetching
from sapwood.files.sources import Source
from sapwood.limits import Limits, thread_count
from sapwood.models.applying.bases import matched_sources
from sapwood.models.receiving.demands import Demands, check_same
from sapwood.models.receiving.memory import Room, within
from sapwood.models.receiving.opening import open_model_patch
from sapwood.models.receiving.ranges import RemotePatch, announced, patch_parts
from sapwood.patch.applying.decoding import DecodedChunk, Place, decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import Segment


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What tensors are decoded from.

    Attributes:
        opened: the patch, signed as demanded; its body was checked if it is here.
        bases: in its order.
        threads: that decode a tensor.
        room: memory for that.
    """

    opened: OpenPatch
    bases: Sequence[Content]
    threads: int
    room: Room

    @classmethod
    def of(
        cls,
        base: Source | Sequence[Source],
        patch: Source,
        demands: Demands,
        threads: int | None,
        limits: Limits,
        room: Room,
        fetching: Fetching = DEFAULT_FETCHING,
    ) -> Origin:
        """Opens a patch and finds its bases.

        Args:
            base, patch, threads, limits: as of `load_patched`.
            demands: of its arguments.
            room: for decoding.
            fetching: how a patch that is elsewhere is brought.

        Raises:
            SignatureError, SourceHashMismatch, InvalidPatch, TruncatedPatch,
                UnsupportedPatch, LimitExceeded, InputError, IoError: as `load_patched`.
        """
        count = thread_count(threads)
        allowed = within(room.memory, limits)
        opened = patch_in_parts(patch, demands, count, allowed, fetching)
        bases = matched_sources(opened, base, count)
        return cls(opened, bases, count if room.memory is None else 1, room)

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
            inspect=self.room.inspection(self.opened.front, body is not self.opened.body),
        )


def patch_in_parts(
    patch: Source,
    demands: Demands,
    threads: int,
    limits: Limits,
    fetching: Fetching = DEFAULT_FETCHING,
) -> OpenPatch:
    """A patch of model files, signed as demanded; on a server only its front is looked at.

    Raises:
        SignatureError, InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded,
            InputError, IoError: as `checked_patch`.
    """
    data = patch_parts(patch, limits, fetching)
    accepted = demands.check(data, limits)
    opened = open_model_patch(data, limits)
    check_same(accepted, opened)
    if isinstance(data, RemotePatch):
        return dataclasses.replace(opened, body=data.body)
    opened.check_body(threads)
    return opened
