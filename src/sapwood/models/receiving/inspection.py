"""All that a patch says of itself, its signatures included; of its payloads nothing is read."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from sapwood.files.sources import Source
from sapwood.files.trees import FileEntry
from sapwood.models.receiving.opening import delivery
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import FileDiff, FileStatus
from sapwood.patch.format.front import VERSION, Front, Segment
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.signatures import ListedSignature, list_signatures


@dataclasses.dataclass(frozen=True, slots=True)
class PatchedFile(FileDiff):
    """A file of a folder that a patch leads to, or that its first base alone has.

    Attributes:
        payload_size: bytes of payload of the segments that begin in it.
        executable: whether the target's file may be executed by its owner.
    """

    payload_size: int = 0
    executable: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """All that a patch says of itself.

    Attributes:
        front: everything but the payloads.
        signatures: those inside of the patch and beside it, with what trusted keys say of each.
    """

    front: Front
    signatures: tuple[ListedSignature, ...]

    @property
    def files(self) -> tuple[PatchedFile, ...] | None:
        """The files of the target, then those that the first base alone has; None of no folder."""
        if self.front.header.target.files is None:
            return None
        return tuple(_patched_files(self.front))

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, digests in hexadecimal."""
        front, header, files = self.front, self.front.header, self.files
        return {
            "version": VERSION,
            "kind": header.kind,
            "algorithm": header.algorithm,
            "base_format": header.base_format,
            "target_format": header.target_format,
            "dtype": None if header.dtype is None else header.dtype.label,
            "shape": list(header.shape),
            "byte_order": header.byte_order,
            "base": header.bases[0].to_json(),
            "bases": [{**one.to_json(), "name": one.name} for one in header.bases],
            "target": header.target.to_json(),
            "patch_size": front.patch_size,
            "payload_size": front.body_size,
            "counts": dict(header.counts),
            "writer": header.writer,
            "created_at": header.created_at,
            "metadata": dict(header.metadata),
            "files": None if files is None else [one.to_json() for one in files],
            "segments": [segment.to_json() for segment in front.segments],
            "signatures": [one.to_json() for one in self.signatures],
        }


def inspect_patch(
    patch: Source,
    *,
    signature: Source | Sequence[Source] | None = None,
    receiving: Receiving = ANYBODY,
) -> Inspection:
    """Looks at a patch; none is refused for its signatures.

    Args:
        patch: one of model files or of a tensor: a path, bytes, a file object or a URL, of which
            no more is fetched than is shown here.
        signature: a file of signatures that came beside the patch, or several.
        receiving: memory that the patch may ask for, and keys to check its signatures with;
            whether they suffice is for `verify_patch` to tell.

    Raises:
        SignatureError: a file of signatures is none.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, InputError, IoError: as
            `apply_patch`.
    """
    with delivery(patch, receiving, signature=signature, parts=True) as delivered:
        front = delivered.opened().front
        signatures = list_signatures(delivered.front, receiving.trust, delivered.detached)
    return Inspection(front, tuple(signatures))


def _patched_files(front: Front) -> Iterator[PatchedFile]:
    """The files of a patch's target, then those that its first base alone has."""
    header = front.header
    old = _places(header.bases[0].files or ())
    starts = [segment.target_offset for segment in front.segments]
    new = _places(header.target.files or ())
    for path, (entry, begin) in new.items():
        first = bisect_left(starts, begin)
        last = bisect_left(starts, begin + entry.size, lo=first)
        payload = sum(one.payload_size for one in front.segments[first:last])
        status: FileStatus = "added"
        size = None
        if path in old:
            before, at = old[path]
            size = before.size
            # A segment that began in the file before may reach into this one.
            own = front.segments[max(0, first - 1) : last]
            same = before == entry and all(_stays(one, begin, entry.size, at) for one in own)
            status = "unchanged" if same else "changed"
        yield PatchedFile(path, status, entry.size, size, payload, entry.executable)
    for path, (entry, _) in old.items():
        if path not in new and new:
            yield PatchedFile(path, "removed", None, entry.size)


def _places(files: Sequence[FileEntry]) -> dict[str, tuple[FileEntry, int]]:
    """Files by path, with where each begins in the whole."""
    starts = accumulate((one.size for one in files), initial=0)
    return {one.path: (one, start) for one, start in zip(files, starts, strict=False)}


def _stays(segment: Segment, begin: int, size: int, base: int) -> bool:
    """Whether what a segment has of a file is copied from one place of the base."""
    ends_before = segment.target_offset + segment.nbytes <= begin
    if ends_before or segment.target_offset >= begin + size:
        return True
    return (
        segment.unchanged
        and isinstance(segment.prediction, BaseRange)
        and segment.prediction.base == 0
        and segment.prediction.offset - segment.target_offset == base - begin
    )
