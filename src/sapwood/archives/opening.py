"""Tells which kind of archive a file is."""

from __future__ import annotations

from typing import IO

from sapwood.archives.members import Fault, Member
from sapwood.archives.tars import tar_members
from sapwood.archives.unpacking import unpacked
from sapwood.archives.zip_directory import END_MAGIC, LOCAL_MAGIC
from sapwood.archives.zips import zip_members
from sapwood.content.content import Content
from sapwood.limits import ArchiveLimits


def archive_members(
    content: Content, spool: IO[bytes], limits: ArchiveLimits, fault: Fault
) -> list[Member]:
    """The members of a zip, or of a tar, plain or packed by gzip or zstd, in their order.

    Args:
        content: the whole archive. Members of zips read from it, and those of others from `spool`.
        spool: a temporary file that takes the contents of a tar.
        limits: how much is allowed.
        fault: makes the error.

    Raises:
        SapwoodError: the archive is damaged, none of these, holds more than is allowed, or what
            is not read of zips and tars.
        OSError: the archive cannot be read, or the temporary file not written.
    """
    magic = bytes(content[: min(len(content), len(LOCAL_MAGIC))])
    if magic in {LOCAL_MAGIC, END_MAGIC}:
        return zip_members(content, limits, fault)
    stripes = unpacked(content, limits.window, fault)
    return tar_members(stripes, spool, limits, fault)
