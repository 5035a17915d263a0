"""Applying that was cut short goes on: what is there is compared chunk by chunk, and kept."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from sapwood.errors import InputError
from sapwood.models.files import (
    PLACE,
    Output,
    finish,
    os_errors,
    output_place,
    path_name,
    replace,
)
from sapwood.models.kept import beside, kept_file
from sapwood.patch.applying import OpenPatch
from sapwood.patch.chunks import chunk_digest

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The beginning of a target that is there already.

    Attributes:
        size: bytes, up to the end of a chunk.
        hasher: SHA-256 that has seen them.
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
        file: to read and write; it is left positioned where the target goes on.

    Raises:
        OSError: it cannot be read or cut.
    """
    hasher = hashlib.sha256()
    at = 0
    file.seek(0)
    for chunk, size in chunk_sizes(opened):
        data = file.read(size)
        if len(data) < size or chunk_digest(np.frombuffer(data, np.uint8)) != chunk:
            break
        hasher.update(data)
        at += size
    file.seek(at)
    file.truncate()
    return Prefix(at, hasher)


def chunk_sizes(opened: OpenPatch) -> Iterator[tuple[bytes, int]]:
    """Digest and bytes of each chunk of the target, in order."""
    for segment in opened.front.segments:
        for chunk, begin, end in segment.spans():
            yield chunk.digest, end - begin


def output_path(output: Output) -> Path:
    """The path of an output that can be gone on with, symbolic links resolved.

    Raises:
        InputError: it is no path, or that of a device.
        IoError: nothing can be written there.
    """
    if not isinstance(output, str | os.PathLike):
        raise InputError("expected a path as output to resume at, found a file object; name a file")
    path, _, regular = output_place(path_name(output))
    if not regular:
        raise InputError(f"{output}: expected a file to resume at, found a device; name a file")
    return path


@contextlib.contextmanager
def resumable_output(output: Output, opened: OpenPatch) -> Iterator[IO[bytes]]:
    """As `atomic_output`, with what an earlier try has left, which the next one finds in turn.

    Args:
        output: a path.
        opened: the patch that makes it.

    Raises:
        InputError: it is no path, or the target is a folder.
        IoError: writing failed, or another process is at it. What was written stays, in a
            hidden file `.NAME.DIGEST.part` beside the output; after another error it is gone.
    """
    if opened.front.header.target.files is not None:
        raise InputError("a target that is a folder is made in one go; leave out resume")
    path = output_path(output)
    name = str(output)
    _, mode, _ = output_place(name)
    sibling = beside(path, opened.front.digest, "part")
    with kept_file(sibling, 0o666 if mode is None else 0o600) as file:
        with os_errors(f"{name}, or {PLACE}"):
            yield file
            finish(file, mode)
        replace(sibling, path, name)
