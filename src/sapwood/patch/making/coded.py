"""A patch whose chunks are coded, on its way to a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from sapwood.codec import CodingPlan, empty_tables
from sapwood.patch.format.front import Header, Segment
from sapwood.patch.format.serialising import serialise_front
from sapwood.patch.making.chunks import Encoded
from sapwood.patch.making.writing import write_patch


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What came of making a patch: its size in bytes, and the counts of its header."""

    size: int
    counts: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CodedSegments:
    """All of a patch but its header; the payloads are in a spool.

    Attributes:
        segments, tables: of the index and behind it.
        body: bytes of the payloads.
        digest: BLAKE3 of them.
        chunk_size: bytes of target a chunk, as asked for.
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
        """Writes the patch file.

        Args:
            header: gives the header; its counts are replaced by what was found.
            spool: with the payloads.
            out: positioned where the patch is to begin.
            seal: what the front becomes before it is written: signed, say.

        Raises:
            OSError: from `spool` or `out`, which holds unfinished bytes then.
        """
        finished = header()
        counts = tensor_counts(finished, self.segments)
        front = serialise_front(
            dataclasses.replace(finished, counts=counts),
            self.segments,
            self.tables,
            self.body,
            self.digest,
        )
        return Written(write_patch(seal(front), spool, out, self.chunk_size), counts)


def needed_tables(plan: CodingPlan, encoded: Sequence[Sequence[Encoded]]) -> list[bytes]:
    """The serialised sets of a plan; next to nothing where no chunk came to use one."""
    used = {table for own in encoded for one in own for table in one.tables}
    return [
        tables.serialised() if i in used else empty_tables()
        for i, tables in enumerate(plan.tables[: max(used, default=-1) + 1])
    ]


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
