"""Templates in archives: read in place, never unpacked to names from outside.

A zip is read by its directory. A tar has none: its files are copied end to end into one
temporary file without a name, once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Self, cast

from sapwood.content.zstd import ZstdError, open_stream
from sapwood.errors import InvalidTemplate
from sapwood.files.reading import STRIPE, Stripes
from sapwood.files.stamps import Stamp, stamp_of
from sapwood.package.manifest.manifest import FILE_NAME
from sapwood.package.template import MOST_BYTES, MOST_FILES, Template, TemplateFile, is_litter

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
    NotImplementedError,  # a compression that is not built in
    RuntimeError,  # encrypted
    UnicodeError,
    ValueError,
)


def archive_template(path: Path) -> Template:
    """The template in an archive.

    Its files are those beside the manifest and below it; the manifest is the one that lies
    nearest to the top.

    Args:
        path: of a zip, a tar, a tar.gz or a tar.zst.

    Raises:
        InvalidTemplate: it is damaged, hostile or no such archive.
        OSError: it cannot be read.
    """
    files, close = archive_files(path, FILE_NAME)
    with archive_errors(path):
        return Template({one.path: one for one in files}, close)


def archive_files(path: Path, name: str) -> tuple[list[TemplateFile], Callable[[], None]]:
    """The files of an archive that lie beside a file of some name, or below it.

    Args:
        path: as of `archive_template`.
        name: of the file; the one that is nearest to the top counts.

    Returns:
        The files, with their paths from there, and what closes the archive.

    Raises:
        InvalidTemplate, OSError: as `archive_template`.
    """
    with contextlib.ExitStack() as opened, archive_errors(path):
        file = opened.enter_context(path.open("rb"))
        stamp = stamp_of(os.fstat(file.fileno()))
        if zipfile.is_zipfile(file):
            archive = opened.enter_context(zipfile.ZipFile(file))
            members = zip_members(archive, stamp)
        else:
            file.seek(0)
            spool = opened.enter_context(tempfile.TemporaryFile())
            members = tar_members(unpacked(file), spool, stamp)
        files = below_manifest(members, name)
        return files, opened.pop_all().close


@contextlib.contextmanager
def archive_errors(source: object) -> Iterator[None]:
    """Turns what is wrong with an archive into our error, with its name."""
    try:
        yield
    except DAMAGE as e:
        raise InvalidTemplate(
            f"{source}: no intact zip, tar, tar.gz or tar.zst: {e}; get it anew"
        ) from e
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
        # A directory of a zip that leads to before its beginning.
        raise InvalidTemplate(f"{source}: no intact zip; get it anew") from e
    except InvalidTemplate as e:
        raise e.behind(str(source)) from e


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """An entry of an archive that is no folder.

    Attributes:
        file: that it would be.
        regular: whether it is one, and no link, device or pipe.
    """

    file: TemplateFile
    regular: bool


def zip_members(archive: zipfile.ZipFile, stamp: Stamp) -> list[Member]:
    """The entries of a zip."""
    check_count(len(archive.infolist()))
    members = []
    for info in archive.infolist():
        if info.orig_filename.endswith("/"):
            continue
        mode = info.external_attr >> 16
        file = TemplateFile(
            path=info.orig_filename,  # as it was written: `filename` is cut off at a NUL
            size=info.file_size,
            executable=bool(mode & stat.S_IXUSR),
            stamp=stamp,
            stripes=zip_reader(archive, info),
        )
        members.append(Member(file, stat.S_IFMT(mode) in {0, stat.S_IFREG}))
    return members


def zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], Stripes]:
    """Reads a member of a zip, no more than its directory says, and compares its checksum."""

    def stripes() -> Stripes:
        left = info.file_size
        with archive_errors(Path(archive.filename or "the archive")), archive.open(info) as file:
            while stripe := file.read(STRIPE):
                left -= len(stripe)
                yield stripe
            if left != 0:
                raise InvalidTemplate(f"{info.filename!r:.120}: another size than it claims")

    return stripes


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """What a tar is read from: gzip and zstd are told by their first bytes.

    Args:
        file: at its beginning.
    """
    magic = file.read(len(ZSTD))
    file.seek(0)
    if magic.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic == ZSTD or (magic[1:] == SKIPPABLE and magic[0] & 0xF0 == 0x50):
        return open_stream(file)
    return file


class StrictHeader(tarfile.TarInfo):
    """A header that is intact, or an error: `tarfile` takes a damaged one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parses a header.

        Raises:
            InvalidTemplate: it is damaged, or cut off.
        """
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.TarError as e:
            if any(buf):
                raise InvalidTemplate(f"a tar with a damaged header: {e}; get it anew") from e
            raise  # the end


class Headers:
    """What a tar is read from, so that no header asks for more memory than names take.

    Attributes:
        end: of the content that was read last, bytes from the beginning of the tar.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """Reads forwards only.

        Args:
            stream: of the tar, unpacked.
        """
        self.end = 0
        self._stream = stream
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            InvalidTemplate: they are too far behind the last content.
        """
        data = self._stream.read(size)
        self._at += len(data)
        if self._at > self.end + LARGEST_HEADER:
            raise InvalidTemplate(f"expected headers of at most {LARGEST_HEADER} bytes in the tar")
        return data


def tar_members(
    stream: IO[bytes], spool: IO[bytes], stamp: Stamp, already: int = 0
) -> list[Member]:
    """The entries of a tar, their content copied.

    Args:
        stream: the tar, unpacked, at its beginning.
        spool: a temporary file that takes the content, at its end.
        stamp: of the archive.
        already: entries of other archives of the same template.

    Raises:
        InvalidTemplate: it holds more files or bytes than a template may.
    """
    members: list[Member] = []
    headers = Headers(stream)
    # "r|" reads forwards only: a packed stream would be unpacked anew for each step back.
    with tarfile.open(
        fileobj=cast("IO[bytes]", headers), mode="r|", tarinfo=StrictHeader
    ) as archive:
        count = already
        while info := archive.next():
            count += 1
            check_count(count)
            check_extent(archive, info, spool)
            headers.end = archive.offset
            if info.isdir():
                continue
            begin = spool.tell()
            if info.isreg():
                copy_member(archive, info, spool)
            member = TemplateFile(
                path=info.name,
                size=spool.tell() - begin,
                executable=bool(info.mode & stat.S_IXUSR),
                stamp=stamp,
                stripes=spool_reader(spool, begin, spool.tell()),
            )
            members.append(Member(member, info.isreg()))
    return members


def check_extent(archive: tarfile.TarFile, info: tarfile.TarInfo, spool: IO[bytes]) -> None:
    """Sees to it that a tar takes no more memory and disk than a template may.

    Args:
        archive: which has just read the header of a member.
        info: that header.
        spool: where its content would go.
    """
    # What it says is stored, and what is to be written: a sparse file is mostly holes.
    if max(archive.offset, spool.tell() + info.size) > MOST_BYTES:
        raise InvalidTemplate(
            f"{info.name!r:.120}: expected at most {MOST_BYTES} bytes of all files, found more"
        )
    if len(archive.pax_headers) > MOST_REMARKS:
        raise InvalidTemplate(f"expected at most {MOST_REMARKS} remarks on all files of the tar")
    # It keeps every header that it has read.
    archive.members.clear()  # type: ignore[attr-defined]


def copy_member(archive: tarfile.TarFile, info: tarfile.TarInfo, spool: IO[bytes]) -> None:
    """Copies the content of a member of a tar, which is a file."""
    content = archive.extractfile(info)
    while content is not None and (stripe := content.read(STRIPE)):
        spool.write(stripe)


def spool_reader(spool: IO[bytes], begin: int, end: int) -> Callable[[], Stripes]:
    """Reads a part of the temporary file."""

    def stripes() -> Stripes:
        at = begin
        while at < end:
            spool.seek(at)
            stripe = spool.read(min(STRIPE, end - at))
            if not stripe:
                raise InvalidTemplate("the temporary file was cut off; try again")
            at += len(stripe)
            yield stripe

    return stripes


def check_count(count: int) -> None:
    """Sees to it that an archive has no more entries than a template may have files."""
    if count > MOST_FILES:
        raise InvalidTemplate(f"expected at most {MOST_FILES} files, found more")


def below_manifest(members: Iterable[Member], top_name: str = FILE_NAME) -> list[TemplateFile]:
    """The files beside the manifest, or one of another name, and below it: paths from there.

    Raises:
        InvalidTemplate: there is none of that name, or several, or a link; or a path occurs twice.
    """
    everything = list(members)
    paths = [one.file.path for one in everything]
    tops = [one.removesuffix(top_name) for one in paths if one.rpartition("/")[2] == top_name]
    least = min((one.count("/") for one in tops), default=0)
    highest = [top for top in tops if top.count("/") == least]
    if len(highest) != 1:
        raise InvalidTemplate(f"expected one {top_name} nearest to the top, found {len(highest)}")
    (top,) = highest
    files: dict[str, TemplateFile] = {}
    for member in everything:
        name = member.file.path
        path = name.removeprefix(top)
        if not name.startswith(top) or is_litter(path):
            continue
        if not member.regular:
            raise InvalidTemplate(
                f"expected files and folders, found a link or device {name!r:.120}; "
                "put a copy in its place"
            )
        if path in files:
            raise InvalidTemplate(f"{name!r:.120} occurs twice; pack it anew")
        files[path] = dataclasses.replace(member.file, path=path)
    return list(files.values())
