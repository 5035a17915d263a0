"""Twice as many entries, twice the work and memory; and none for those past the limit."""

from __future__ import annotations

import gzip
import itertools
import tarfile
from collections.abc import Callable

import pytest

from sapwood.content.zstd import compress
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits
from support.archive_reading import Counted, InvalidArchive, contents, opened
from support.growth import memory_of
from support.hostile_packages import entry
from support.zip_files import Item, archive

SIZES = (1000, 2000, 4000)
AHEAD = 1 << 20  # bytes that are read at once
GROWING: dict[str, Callable[[int], bytes]] = {
    "a zip": lambda n: archive([Item(f"folder/file{i:06}") for i in range(n)]),
    "a zip, all of whose entries are one": lambda n: archive(
        [Item("a"), *(Item("a", header=0, written=False) for _ in range(n - 1))]
    ),
    "a tar": lambda n: entry(tarfile.REGTYPE, b"") * n,
    "a tar of long names": lambda n: (
        (entry(tarfile.GNUTYPE_LONGNAME, b"a" * 200) + entry(tarfile.REGTYPE, b"")) * n
    ),
    "streams of gzip": lambda n: gzip.compress(bytes(1024)) + gzip.compress(b"") * n,
    "frames of zstd": lambda n: compress(bytes(1024), 1) + compress(b"", 1) * n,
    "records of a tar": lambda n: entry(tarfile.XGLTYPE, b"8 a=bcd\n" * n),
}


def cost(data: bytes, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> tuple[int, int, int]:
    """What opening an archive takes: reads, bytes that are read, bytes of memory at once."""
    content = Counted(data)

    def work() -> None:
        with opened(content, limits):
            pass

    peak = memory_of(work)
    return content.reads, content.read, peak


@pytest.mark.parametrize("case", GROWING)
def test_work_and_memory_grow_with_the_archive(case: str) -> None:
    costs = [cost(GROWING[case](n)) for n in SIZES]
    for less, more in itertools.pairwise(costs):
        for few, many in zip(less, more, strict=True):
            assert many <= 2 * few + AHEAD
    assert costs[-1][2] <= 1000 * SIZES[-1] + AHEAD


@pytest.mark.parametrize("case", ["a zip", "a tar", "a tar of long names"])
def test_what_is_past_the_limit_takes_nothing(case: str) -> None:
    limits = ArchiveLimits(entries=SIZES[0])
    within, *past = [cost(GROWING[case](n), limits) for n in SIZES]
    for few, many in zip(within, past[-1], strict=True):
        assert many <= few + few // 4 + AHEAD


def test_a_zip_of_300_000_entries_takes_no_more_than_one_of_what_is_allowed() -> None:
    limits = ArchiveLimits(entries=10_000, directory=1 << 30)
    one = archive([Item("a")])
    begin, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    count = 300_000
    size = count * (end - begin)
    # The end of the archive says that there is one entry.
    data = one[:begin] + one[begin:end] * count
    data += one[end : end + 12] + size.to_bytes(4, "little") + one[end + 16 :]
    with pytest.raises(InvalidArchive, match="at most 10000 entries"):
        contents(data, limits)
    assert cost(data, limits)[2] < 8 << 20
    with pytest.raises(InvalidArchive, match="at most 100000 entries"):
        contents(data)
