"""Which files of a folder are not those that a patch was made from.

A patch knows of each file of a base its path and size, and of all together a digest. Where that
differs alone, its chunks tell more: one that comes out wrong was decoded against other bytes.
"""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.errors import InvalidPatch
from sapwood.files.sources import read_source
from sapwood.files.trees import FileEntry
from sapwood.modelfile.stand_ins import stand_in
from sapwood.models.remarks import SHOWN, listed
from sapwood.patch.applying.chunks import chunk_digest
from sapwood.patch.applying.decoding import ChunkJob, chunk_jobs, decode_job
from sapwood.patch.applying.opening import OpenPatch

SMALL = 64 << 10  # bytes; a longer file is no pointer, nor a server's page


def other_sizes(root: Path, files: Sequence[FileEntry]) -> str | None:
    """Which files a folder does not have, or of other sizes, in words; None if it has all.

    Args:
        root: the path of the folder. Others in it do no harm.
        files: the files as a patch lists them.
    """
    faults = [
        f"{root / one.path}: expected a file of {one.size} bytes, found {found}"
        for one in files
        for found in [_found(root / one.path, one.size)]
        if found is not None
    ]
    if not faults:
        return None
    more = f"; and {len(faults) - SHOWN} more files" if len(faults) > SHOWN else ""
    return (
        f"wrong base: {'; '.join(faults[:SHOWN])}{more}; apply the patch to the folder that it was "
        "made from"
    )


def _found(path: Path, size: int) -> str | None:
    """What is in the place of a file of that size, in words, or None where one is."""
    try:
        status = path.stat()
    except OSError:
        return "nothing"
    if not stat.S_ISREG(status.st_mode):
        return "no file"
    if status.st_size == size:
        return None
    found = f"{status.st_size} bytes"
    instead = stand_in(read_source(path).data) if status.st_size <= SMALL else None
    return found if instead is None else f"{found}, {instead}"


def other_content(opened: OpenPatch, base: Content, files: Sequence[FileEntry]) -> str:
    """Which files of a folder have other content than a base of those files, in words.

    All of the patch is decoded for it.

    Args:
        opened: a patch of one base, whose body is here.
        base: the contents of the files, end to end.
        files: the files, of the right sizes.
    """
    try:
        opened.check_body()
    except InvalidPatch:
        return ""  # of which nothing can be told
    ends = list(accumulate(one.size for one in files))
    certain: set[int] = set()
    doubtful: list[set[int]] = []
    watched = _Watched(base)
    for job in chunk_jobs(opened, opened.front.segments, [watched]):
        watched.read.clear()
        if not _is_right(job, opened, watched):
            among = {i for span in watched.read for i in _crossed(ends, span)}
            (certain.update if len(among) == 1 else doubtful.append)(among)
    some = {i for among in doubtful if certain.isdisjoint(among) for i in among}
    groups = [(chosen, what) for chosen, what in ((certain, ""), (some, "some of ")) if chosen]
    if not groups:
        return "; all its files are of the right size, and no more is known of each"
    return "; with other content: " + ", and ".join(
        what + listed([files[i].path for i in sorted(chosen)]) for chosen, what in groups
    )


class _Watched:
    """A content that notes which parts are read of it."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.read: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._content)

    def __getitem__(self, part: slice, /) -> Bytes:
        begin, end, _ = part.indices(len(self._content))
        self.read.append((begin, end))
        return self._content[begin:end]


def _is_right(job: ChunkJob, opened: OpenPatch, base: Content) -> bool:
    """Whether a chunk comes out right."""
    out = np.empty(job.end - job.begin, np.uint8)
    try:
        decode_job(job, opened, job.predictor.read([base], job.begin, job.end), base, out)
    except InvalidPatch:  # against these bytes
        return False
    return chunk_digest(out) == job.chunk.digest


def _crossed(ends: Sequence[int], span: tuple[int, int]) -> Iterator[int]:
    """The files that lie in a range, by their ends in the whole."""
    begin, end = span
    i = bisect_right(ends, begin)
    while begin < end and i < len(ends):
        if ends[i] > begin:
            yield i
            begin = ends[i]
        i += 1
