"""Archives from strangers: whatever is wrong with one, what is raised is ours, and in time."""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given, strategies as st

from sapwood.content.zstd import compress
from sapwood.limits import ArchiveLimits
from support.archive_mutations import TARS, ZIPS, spoilt
from support.archive_reading import InvalidArchive, contents, opened
from support.hostile_packages import entry
from support.zip_files import Item, archive

pytestmark = pytest.mark.quick

LIMITS = ArchiveLimits(entries=20, size=1 << 20, directory=1 << 16)


@given(spoilt(ZIPS) | spoilt(TARS))
@example(b"")
@example(b"PK\3\4")
@example(b"\x1f\x8b")
@example(b"\x28\xb5\x2f\xfd")
def test_whatever_is_wrong_the_error_is_ours(data: bytes) -> None:
    with contextlib.suppress(InvalidArchive):
        found = contents(data, LIMITS)
        assert len(found) <= LIMITS.entries
        assert sum(len(name) for name, _ in found) <= LIMITS.directory


@given(
    st.binary(max_size=300), st.sampled_from([b"PK\3\4", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b""])
)
def test_whatever_the_bytes_the_error_is_ours(data: bytes, magic: bytes) -> None:
    with contextlib.suppress(InvalidArchive):
        contents(magic + data, LIMITS)


@given(ZIPS)
def test_what_is_read_of_a_zip_has_the_checksum_that_it_says(data: bytes) -> None:
    with contextlib.suppress(InvalidArchive), opened(data, LIMITS) as members:
        for one in members:
            content = b"".join(one.stripes())
            assert not content or zlib.crc32(content).to_bytes(4, "little") in data


METHODS = {
    "shrunk": 1, "reduced": 3, "imploded": 6, "deflate64": 9, "bzip2": 12, "LZMA": 14,
    "zstd": 93, "xz": 95, "PPMd": 98, "method 97": 97,
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_other_methods_are_refused_by_their_name(name: str) -> None:
    data = archive([Item("a", b"x"), Item("b", b"x" * 9, method=METHODS[name])])
    with (
        pytest.raises(InvalidArchive, match=f"'b' stored or deflated, found {name}; pack it anew"),
        opened(data),
    ):
        pass


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)[2:-4]


ZIP_CASES: dict[str, tuple[list[Item], str]] = {
    "more than it says": ([Item("a", b"x" * 9, 8, packed=bomb(1 << 22))], "another content"),
    "less than it says": ([Item("a", bytes(99), 8, packed=bomb(98))], "another content"),
    "another checksum": ([Item("a", b"x", checksum=0)], "another content"),
    "a stream that is cut off": ([Item("a", bytes(99), 8, packed=bomb(99)[:-1])], "cut off"),
    "a stream that is damaged": ([Item("a", bytes(99), 8, packed=b"\xff" * 20)], "is damaged"),
    "bytes behind the stream": ([Item("a", bytes(9), 8, packed=bomb(9) + b"x")], "behind its end"),
    "encrypted": ([Item("a", b"x", flags=1)], "encrypted; pack it anew without a password"),
    "stored, of two sizes": ([Item("a", b"x", size=9, packed=b"x")], "has two sizes"),
    "another name in front": ([Item("a", b"x", local_name=b"b")], "two headers of 'a' differ"),
    "past the directory": ([Item("a", b"x", header=2**31)], "differ, or lead outside"),
    "one place for two": ([Item("a", b"x"), Item("a", header=0, written=False)], "lead outside"),
    "one in another": (
        [
            Item("a", archive([Item("b", b"x")])[:32]),
            Item("b", b"x", header=31, written=False),
        ],
        "overlap",
    ),
}


@pytest.mark.parametrize("case", ZIP_CASES)
def test_zips_that_lie_are_refused(case: str) -> None:
    items, match = ZIP_CASES[case]
    with pytest.raises(InvalidArchive, match=match):
        contents(archive(items))


LIMITED: dict[str, tuple[Callable[[], bytes], ArchiveLimits, str]] = {
    "entries of a zip": (
        lambda: archive([Item(f"{n}") for n in range(4)]),
        ArchiveLimits(entries=3),
        "at most 3 entries",
    ),
    "a zip's directory": (
        lambda: archive([Item("a" * 3000)]), ArchiveLimits(directory=3000), "at most 3000 bytes",
    ),
    "entries of a tar": (
        lambda: entry(tarfile.REGTYPE, b"") * 4, ArchiveLimits(entries=3), "at most 3 entries",
    ),
    "names of a tar": (
        lambda: (entry(tarfile.GNUTYPE_LONGNAME, b"a" * 900) + entry(tarfile.REGTYPE, b"")) * 3,
        ArchiveLimits(directory=2000),
        "at most 2000 bytes of names",
    ),
    "bytes of a tar": (
        lambda: entry(tarfile.REGTYPE, bytes(900)) * 2, ArchiveLimits(size=1500), "at most 1500",
    ),
    "bytes behind a tar": (
        lambda: entry(tarfile.REGTYPE, b"") + bytes(9000), ArchiveLimits(size=5000), "at most 5000",
    ),
    "a window of zstd": (
        lambda: compress(bytes(1 << 20), 1),
        ArchiveLimits(window=1 << 15),
        "a window of at most 32768 bytes, found 524288; allow more",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITED)
def test_what_a_caller_allows_holds(case: str) -> None:
    make, limits, match = LIMITED[case]
    with pytest.raises(InvalidArchive, match=match), opened(make(), limits):
        pass


def test_what_is_said_of_all_members_takes_no_memory_and_changes_nothing() -> None:
    said = b"".join(b"%d comment%03d=x\n" % (16, n) for n in range(100))
    data = entry(tarfile.XGLTYPE, said) * 50 + entry(tarfile.REGTYPE, b"x")
    assert contents(data) == [("a", b"x")]


def test_the_end_of_a_packed_tar_is_checked() -> None:
    data = bytearray(gzip.compress(entry(tarfile.REGTYPE, b"x") + bytes(1024)))
    data[-6] ^= 1  # of the checksum
    with (
        pytest.raises(InvalidArchive, match="incorrect data check"),
        opened(bytes(data)),
    ):
        pass
