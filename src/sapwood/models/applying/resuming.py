"""Applying that was cut short goes on: what is there is compared chunk by chunk, and kept."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

import numpy as np

from sapwood.errors import InputError
from sapwood.files.kept import beside, kept_file
from sapwood.files.outputs import Output, resumable_place, taking_name
from sapwood.patch.applying.chunks import chunk_digest
from sapwood.patch.applying.opening import OpenPatch

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The beginning of a target that is there already.

    Attributes:
        size: bytes, up to the end of a chunk.
        hasher: the SHA-256 of these bytes, to go on with.
    """

    size: int
    hasher: _Hash

    @classmethod
    def empty(cls) -> Prefix:
        """Nothing."""
        return cls(0, hashlib.sha256())


def finished_prefix(opened: OpenPatch, file: IO[bytes]) -> Prefix:
    """The chunks at the beginning of a file that are right; what follows them is cut off.

    Args:
        opened: the patch that says what is right.
        file: a file to read and write; it is left positioned where the target goes on.

    Raises:
        OSError: it cannot be read or cut.
    """
    hasher = hashlib.sha256()
    at = 0
    file.seek(0)
    for chunk, size in _chunk_sizes(opened):
        data = file.read(size)
        if len(data) < size or chunk_digest(np.frombuffer(data, np.uint8)) != chunk:
            break
        hasher.update(data)
        at += size
    file.seek(at)
    file.truncate()
    return Prefix(at, hasher)


def _chunk_sizes(opened: OpenPatch) -> Iterator[tuple[bytes, int]]:
    """Digest and bytes of each chunk of the target, in order."""
    for segment in opened.front.segments:
        for chunk, begin, end in segment.spans():
            yield chunk.digest, end - begin


@contextlib.contextmanager
def resumable_output(output: Output, opened: OpenPatch) -> Iterator[IO[bytes]]:
    """As `atomic_output`, with what an earlier try has left, which the next one finds in turn.

    Args:
        output: a path.
        opened: the patch that makes it.

    Raises:
        InputError: it is no path, or the target is a folder.
        Busy: another process is at it.
        IoError: writing failed. What was written stays, in a hidden file `.NAME.DIGEST.part`
            beside the output; after another error it is gone.
    """
    if opened.front.header.target.files is not None:
        raise InputError("a target that is a folder is made in one go; leave out resume")
    place = resumable_place(output)
    sibling = beside(place.path, opened.front.digest, "part")
    with (
        kept_file(sibling, place.mode_until_whole) as file,
        taking_name(file, sibling, place),
    ):
        yield file
