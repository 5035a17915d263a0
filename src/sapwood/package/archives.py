"""Packages in archives: read in place, never unpacked to names from outside.

A zip is read by its directory. A tar has none: its files are copied end to end into one
temporary file without a name, once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Self, cast

from sapwood.content.zstd import ZstdError, open_stream
from sapwood.documents.litter import is_litter_in_package
from sapwood.errors import InvalidPackage
from sapwood.files.reading import STRIPE, Stripes
from sapwood.files.stamps import Stamp, stamp_of
from sapwood.package.manifest.manifest import MANIFEST_FILE
from sapwood.package.package import MOST_BYTES, MOST_FILES, Package, PackageFile

LARGEST_HEADER = 1 << 20  # bytes from the end of one content in a tar to the next
MOST_REMARKS = 100  # that a tar makes on all its files
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 0x50 on: a frame of zstd without content
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    ZstdError,
    gzip.BadGzipFile,
    EOFError,
    IndexError,  # what tarfile makes of a sparse file's map that is cut off
    RuntimeError,  # encrypted, or (NotImplementedError) a compression that is not built in
    ValueError,
)


def archive_package(path: Path) -> Package:
    """The package in an archive.

    Its files are those beside the manifest and below it; the manifest is the one that lies
    nearest to the top.

    Args:
        path: path of a zip, a tar, a tar.gz or a tar.zst.

    Raises:
        InvalidPackage: the archive is damaged, hostile, or none of these.
        OSError: it cannot be read.
    """
    files, close = archive_files(path, MANIFEST_FILE)
    with archive_errors(path):
        return Package({one.path: one for one in files}, close)


def archive_files(path: Path, name: str) -> tuple[list[PackageFile], Callable[[], None]]:
    """The files of an archive that lie beside a file of some name, or below it.

    Args:
        path: path of a zip, a tar, a tar.gz or a tar.zst.
        name: name of that file; the one that is nearest to the top counts.

    Returns:
        The files, with their paths from where that one lies, and what closes the archive.

    Raises:
        InvalidPackage: the archive is damaged, hostile, or none of these.
        OSError: it cannot be read.
    """
    with contextlib.ExitStack() as opened, archive_errors(path):
        file = opened.enter_context(path.open("rb"))
        stamp = stamp_of(os.fstat(file.fileno()))
        if zipfile.is_zipfile(file):
            archive = opened.enter_context(zipfile.ZipFile(file))
            members = _zip_members(archive, stamp)
        else:
            file.seek(0)
            spool = opened.enter_context(tempfile.TemporaryFile())
            members = tar_members(unpacked(file), spool, stamp)
        files = files_beside(members, name)
        return files, opened.pop_all().close


@contextlib.contextmanager
def archive_errors(name: object) -> Iterator[None]:
    """Turns what is wrong with an archive into our error, with the archive's name."""
    try:
        yield
    except DAMAGE as e:
        raise InvalidPackage(
            f"{name}: no intact zip, tar, tar.gz or tar.zst: {e}; get it anew"
        ) from e
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
        # A directory of a zip that leads to before its beginning.
        raise InvalidPackage(f"{name}: no intact zip; get it anew") from e
    except InvalidPackage as e:
        raise e.behind(str(name)) from e


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """An entry of an archive that is no folder.

    Attributes:
        file: the file that the entry would be in a package.
        regular: whether it is a file, and no link, device or pipe.
    """

    file: PackageFile
    regular: bool


def _zip_members(archive: zipfile.ZipFile, stamp: Stamp) -> list[Member]:
    """The entries of a zip."""
    check_count(len(archive.infolist()))
    members = []
    for info in archive.infolist():
        if info.orig_filename.endswith("/"):
            continue
        mode = info.external_attr >> 16
        file = PackageFile(
            path=info.orig_filename,  # as it was written: `filename` is cut off at a NUL
            size=info.file_size,
            executable=bool(mode & stat.S_IXUSR),
            stamp=stamp,
            stripes=partial(_zip_stripes, archive, info),
        )
        members.append(Member(file, stat.S_IFMT(mode) in {0, stat.S_IFREG}))
    return members


def _zip_stripes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stripes:
    """The bytes of a member of a zip, no more than its directory says, its checksum compared."""
    left = info.file_size
    with archive_errors(archive.filename or "the archive"), archive.open(info) as file:
        while stripe := file.read(STRIPE):
            left -= len(stripe)
            yield stripe
        if left != 0:
            raise InvalidPackage(f"{info.filename!r:.120}: another size than it claims")


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """What a tar is read from: gzip and zstd are told by their first bytes.

    Args:
        file: an archive that is open at its beginning.
    """
    magic = file.read(len(ZSTD))
    file.seek(0)
    if magic.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic == ZSTD or (magic[1:] == SKIPPABLE and magic[0] & 0xF0 == 0x50):
        return open_stream(file)
    return file


class _StrictHeader(tarfile.TarInfo):
    """A header that is intact, or an error: `tarfile` takes a damaged one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parses a header.

        Raises:
            InvalidPackage: it is damaged, or cut off.
        """
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.TarError as e:
            if any(buf):
                raise InvalidPackage(f"a tar with a damaged header: {e}; get it anew") from e
            raise  # the end


class _Headers:
    """What a tar is read from, so that no header asks for more memory than names take.

    Attributes:
        end: offset in the tar at which the content that was read last ends, in bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Reads forwards only.

        Args:
            stream: the tar, unpacked.
        """
        self.end = 0
        self._stream = stream
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes, or fewer at the end.

        Raises:
            InvalidPackage: they are too far behind the last content.
        """
        data = self._stream.read(size)
        self._at += len(data)
        if self._at > self.end + LARGEST_HEADER:
            raise InvalidPackage(f"expected headers of at most {LARGEST_HEADER} bytes in the tar")
        return data


def tar_members(
    stream: IO[bytes], spool: IO[bytes], stamp: Stamp, already: int = 0
) -> list[Member]:
    """The entries of a tar, their bytes copied.

    Args:
        stream: the tar, unpacked, at its beginning.
        spool: a temporary file that takes the bytes of files, at its end.
        stamp: numbers that change when the archive does.
        already: number of entries of other archives of the same package.

    Raises:
        InvalidPackage: it holds more files or bytes than a package may.
    """
    members: list[Member] = []
    headers = _Headers(stream)
    # "r|" reads forwards only: a packed stream would be unpacked anew for each step back.
    with tarfile.open(
        fileobj=cast("IO[bytes]", headers), mode="r|", tarinfo=_StrictHeader
    ) as archive:
        count = already
        while info := archive.next():
            count += 1
            check_count(count)
            _check_extent(archive, info, spool)
            headers.end = archive.offset
            if info.isdir():
                continue
            begin = spool.tell()
            if info.isreg() and (content := archive.extractfile(info)):
                shutil.copyfileobj(content, spool, STRIPE)
            member = PackageFile(
                path=info.name,
                size=spool.tell() - begin,
                executable=bool(info.mode & stat.S_IXUSR),
                stamp=stamp,
                stripes=partial(_spool_stripes, spool, begin, spool.tell()),
            )
            members.append(Member(member, info.isreg()))
    return members


def _check_extent(archive: tarfile.TarFile, info: tarfile.TarInfo, spool: IO[bytes]) -> None:
    """Sees to it that a tar takes no more memory and disk than a package may.

    Args:
        archive: a tar that has just read the header of a member.
        info: the header of the member.
        spool: the file that the member's content would go to.
    """
    # What it says is stored, and what is to be written: a sparse file is mostly holes.
    if max(archive.offset, spool.tell() + info.size) > MOST_BYTES:
        raise InvalidPackage(
            f"{info.name!r:.120}: expected at most {MOST_BYTES} bytes of all files, found more"
        )
    if len(archive.pax_headers) > MOST_REMARKS:
        raise InvalidPackage(f"expected at most {MOST_REMARKS} remarks on all files of the tar")
    # It keeps every header that it has read.
    archive.members.clear()  # type: ignore[attr-defined]


def _spool_stripes(spool: IO[bytes], begin: int, end: int) -> Stripes:
    """The bytes [begin, end) of the temporary file."""
    at = begin
    while at < end:
        spool.seek(at)
        stripe = spool.read(min(STRIPE, end - at))
        if not stripe:
            raise InvalidPackage("the temporary file was cut off; try again")
        at += len(stripe)
        yield stripe


def check_count(count: int) -> None:
    """Sees to it that an archive has no more entries than a package may have files.

    Raises:
        InvalidPackage: it has more.
    """
    if count > MOST_FILES:
        raise InvalidPackage(f"expected at most {MOST_FILES} files, found more")


def files_beside(members: Iterable[Member], top_name: str = MANIFEST_FILE) -> list[PackageFile]:
    """The files beside the manifest, or one of another name, and below it: paths from there.

    Raises:
        InvalidPackage: there is none of that name, or several, or a link; or a path occurs twice.
    """
    everything = list(members)
    paths = [one.file.path for one in everything]
    tops = [one.removesuffix(top_name) for one in paths if one.rpartition("/")[2] == top_name]
    least = min((one.count("/") for one in tops), default=0)
    highest = [top for top in tops if top.count("/") == least]
    if len(highest) != 1:
        raise InvalidPackage(f"expected one {top_name} nearest to the top, found {len(highest)}")
    (top,) = highest
    files: dict[str, PackageFile] = {}
    for member in everything:
        name = member.file.path
        path = name.removeprefix(top)
        if not name.startswith(top) or is_litter_in_package(path):
            continue
        if not member.regular:
            raise InvalidPackage(
                f"expected files and folders, found a link or device {name!r:.120}; "
                "put a copy in its place"
            )
        if path in files:
            raise InvalidPackage(f"{name!r:.120} occurs twice; pack it anew")
        files[path] = dataclasses.replace(member.file, path=path)
    return list(files.values())
