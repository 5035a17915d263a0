"""The members of a zip: stored or deflated, and no other way."""

from __future__ import annotations

import stat
import zlib
from functools import partial

from sapwood.archives.members import Fault, Member, MemberKind
from sapwood.archives.unpacking import RAW, inflated, stored
from sapwood.archives.zip_directory import Method, ZipEntry, apart, read_directory
from sapwood.content.content import Content
from sapwood.files.reading import Stripes
from sapwood.limits import ArchiveLimits

OTHER_METHODS = {
    1: "shrunk",
    **dict.fromkeys(range(2, 6), "reduced"),
    6: "imploded",
    9: "deflate64",
    12: "bzip2",
    14: "LZMA",
    **dict.fromkeys((20, 93), "zstd"),
    95: "xz",
    98: "PPMd",
}
"""Names of what members may be packed by elsewhere, by the numbers that zips have for it."""


def zip_members(content: Content, limits: ArchiveLimits, fault: Fault) -> list[Member]:
    """The members of a zip, in the order of its directory.

    Args:
        content: the whole archive, which the members read from.
        limits: how many there may be, and how large the directory.
        fault: makes the error.

    Raises:
        SapwoodError: the directory is damaged or too large; members overlap, are encrypted, or
            packed by anything but deflate. Nothing was unpacked.
    """
    entries = read_directory(content, limits, fault)
    members = [_member(content, one, fault) for one in entries]
    located = [one for one in entries if one.offset is not None]
    if len(apart(located)) != len(located):
        raise fault("members of the zip overlap", min(one.header for one in located))
    return members


def _member(content: Content, entry: ZipEntry, fault: Fault) -> Member:
    """A member, whose content can be read unless it is a folder."""
    kind = _kind(entry)
    if kind is not MemberKind.FOLDER:
        _check(entry, fault)
    return Member(
        name=entry.name,
        size=entry.size,
        mode=stat.S_IMODE(entry.mode),
        kind=kind,
        stripes=partial(_stripes, content, entry if kind is MemberKind.FILE else None, fault),
    )


def _kind(entry: ZipEntry) -> MemberKind:
    if entry.name.endswith("/"):
        return MemberKind.FOLDER
    return MemberKind.FILE if stat.S_IFMT(entry.mode) in {0, stat.S_IFREG} else MemberKind.OTHER


def _check(entry: ZipEntry, fault: Fault) -> None:
    """Refuses a member whose bytes cannot be read, or not for sure."""
    name = f"{entry.name!r:.120}"
    if entry.is_encrypted:
        raise fault(f"{name} is encrypted; pack it anew without a password", None)
    if entry.method not in set(Method):
        found = OTHER_METHODS.get(entry.method, f"method {entry.method}")
        raise fault(f"expected {name} stored or deflated, found {found}; pack it anew", None)
    if entry.offset is None or entry.size < 0:
        raise fault(f"the two headers of {name} differ, or lead outside", max(entry.header, 0))
    if entry.method == Method.STORED and entry.size != entry.packed:
        raise fault(f"{name} is stored, but has two sizes", entry.header)


def _stripes(content: Content, entry: ZipEntry | None, fault: Fault) -> Stripes:
    """The content of a member, no more than the directory says, its checksum compared."""
    if entry is None or entry.offset is None:
        return
    begin, end = entry.offset, entry.offset + entry.packed
    unpack = stored if entry.method == Method.STORED else _deflated
    left, checksum = entry.size, 0
    for part in unpack(content, begin, end, fault):
        left -= len(part)
        if left < 0:
            break
        checksum = zlib.crc32(part, checksum)
        yield part
    if left != 0 or checksum != entry.checksum:
        raise fault(f"{entry.name!r:.120} is another content than the directory says", begin)


def _deflated(content: Content, begin: int, end: int, fault: Fault) -> Stripes:
    """What is deflated in [begin, end), which it must fill."""
    stopped = yield from inflated(content, begin, end, RAW, fault)
    if stopped != end:
        raise fault("a member of the zip has bytes behind its end", stopped)
