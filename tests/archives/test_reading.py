"""What the writers of others pack is read as they packed it."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, strategies as st

from sapwood.archives import MemberKind
from sapwood.content.zstd import compress
from support.archive_reading import contents, opened

pytestmark = pytest.mark.quick

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300).map(
    lambda name: name.strip("/") or "a"
)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in parts": lambda data: (
        gzip.compress(data[:700]) + gzip.compress(b"") + gzip.compress(data[700:]) + bytes(600)
    ),
    "zstd": partial(compress, level=3),
    "zstd in parts": lambda data: (
        b"\x50\x2a\x4d\x18\3\0\0\0abc" + compress(data[:700], 1) + compress(data[700:], 1)
    ),
}


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of files, and of a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


class Forwards:
    """A file that can only be written to: sizes come to stand behind what they are of."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass


@given(
    FILES,
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.booleans(),
    st.sampled_from([io.BytesIO, Forwards]),
)
def test_zips(
    files: dict[str, bytes], method: int, large: bool, make: Callable[[], io.BytesIO | Forwards]
) -> None:
    file = make()
    with zipfile.ZipFile(file, "w", method) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=large) as member:
                member.write(content)
    data = bytes(file.data) if isinstance(file, Forwards) else file.getvalue()
    assert contents(data) == list(files.items())


@given(st.lists(st.sampled_from([4, 30_000, 65_535]), min_size=1, max_size=12))
def test_zips_whose_entries_are_as_large_as_they_can_be(sizes: list[int]) -> None:
    file = io.BytesIO()
    names = ["a" * (size - 1) + "/" if i % 3 else "b" * size for i, size in enumerate(sizes)]
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are there twice
        for name, size in zip(names, sizes, strict=True):
            info = zipfile.ZipInfo(name)
            info.comment = b"c" * size
            info.extra = (b"FB" + (size - 4).to_bytes(2, "little") + bytes(size))[:size]
            archive.writestr(info, b"")
    assert [name for name, _ in contents(file.getvalue())] == names


@given(
    FILES, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.sampled_from(list(PACKED))
)
def test_tars(files: dict[str, bytes], form: int, packed: str) -> None:
    data = PACKED[packed](tar(files, form))
    assert contents(data) == [("folder/", b""), *files.items()]


@pytest.mark.parametrize("packed", PACKED)
def test_a_long_path_of_posix(packed: str) -> None:
    name = "/".join(["a" * 70] * 3)
    data = PACKED[packed](tar({name: b"content" * 500}, tarfile.USTAR_FORMAT))
    assert contents(data)[1:] == [(name, b"content" * 500)]


def test_modes_and_kinds() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind, mode in [(tarfile.REGTYPE, 0o755), (tarfile.SYMTYPE, 0o777)]:
            info = tarfile.TarInfo("a")
            info.type, info.mode, info.linkname = kind, mode, "b"
            archive.addfile(info)
    with opened(file.getvalue()) as members:
        assert [(one.mode, one.kind) for one in members] == [
            (0o755, MemberKind.FILE),
            (0o777, MemberKind.OTHER),
        ]


def test_a_tar_that_ends_in_a_zip_is_a_tar() -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("inner", b"x")
    assert contents(tar({"a.zip": inner.getvalue()}))[1:] == [("a.zip", inner.getvalue())]


def test_a_zip_without_members_and_a_tar_without_are_empty() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w"):
        pass
    assert contents(file.getvalue()) == contents(bytes(1024)) == []
