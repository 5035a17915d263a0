"""A patch whose chunks are coded, on its way to a file: what comes last in making stands first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from blake3 import blake3

from sapwood.errors import InputError, LimitExceeded
from sapwood.files.file_objects import copy_rest
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.format.front import Header, Segment
from sapwood.patch.format.parsing import parse_front
from sapwood.patch.format.serialising import serialise_front


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What came of making a patch: its size in bytes, and the counts of its header."""

    size: int
    counts: Mapping[str, int]


class Body:
    """The payloads of a patch in the making: they wait in a spool, hashed on the way there."""

    def __init__(self, spool: IO[bytes]) -> None:
        """Starts without payloads.

        Args:
            spool: an empty temporary file that can be read back, borrowed.
        """
        self._spool = spool
        self._hasher = blake3()

    def keep(self, payload: bytes) -> None:
        """Puts a payload behind those before it.

        Raises:
            OSError: from the spool.
        """
        self._hasher.update(payload)
        write_all(self._spool, memoryview(payload))

    def coded(
        self, segments: Sequence[Segment], tables: Sequence[bytes], chunk_size: int
    ) -> CodedSegments:
        """The patch, once all payloads are kept; arguments as the attributes there."""
        size, digest = self._spool.tell(), self._hasher.digest()
        return CodedSegments(segments, tables, size, digest, chunk_size)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CodedSegments:
    """All of a patch but its header; the payloads are in a spool.

    Attributes:
        segments: the entries of the index, in order.
        tables: the serialised sets of tables that the payloads name by number.
        body: bytes of the payloads together.
        digest: BLAKE3 of the payloads, 32 bytes.
        chunk_size: bytes of target a chunk, as its maker asked for.
    """

    segments: Sequence[Segment]
    tables: Sequence[bytes]
    body: int
    digest: bytes
    chunk_size: int

    def write(
        self,
        header: Callable[[], Header],
        spool: IO[bytes],
        out: IO[bytes],
        seal: Callable[[bytes], bytes] = bytes,
    ) -> Written:
        """Writes the whole patch file.

        The front is parsed once more: what was made can be opened, with the limits that
        every reader has by default, or with chunks as large as they were asked for.

        Args:
            header: gives the header, whose digests may take as long as the chunks did; counts
                that it does not have become what was found.
            spool: the file with the payloads, read from its beginning.
            out: file positioned where the patch is to begin; may take less than it is given.
            seal: what the front becomes before it is written: signed, say.

        Raises:
            InputError: the front is larger than readers allow. Nothing was written.
            OSError: from `spool` or `out`, which holds unfinished bytes then.
        """
        finished = header()
        counts = tensor_counts(finished, self.segments)
        finished = dataclasses.replace(finished, counts=counts)
        front = seal(serialise_front(finished, self.segments, self.tables, self.body, self.digest))
        try:
            parse_front(front, Limits(chunk=max(self.chunk_size, DEFAULT_LIMITS.chunk)))
        except LimitExceeded as e:
            raise InputError(
                f"{e}: nobody could open the patch; use a larger chunk_size, or low_rank=False"
            ) from e
        write_all(out, memoryview(front))
        spool.seek(0)
        copy_rest(spool, out)
        return Written(len(front) + self.body, counts)


def tensor_counts(header: Header, segments: Sequence[Segment]) -> dict[str, int]:
    """The header's counts, and what became of the tensors, where it does not tell."""
    tensors = [s for s in segments if s.name or header.kind == "tensor"]
    unchanged = sum(1 for s in tensors if s.unchanged)
    return {
        "tensors": len(tensors),
        "tensors_unchanged": unchanged,
        "tensors_modified": len(tensors) - unchanged,
        **header.counts,
    }
