"""Finds the bases of a patch among sources that may be folders.

A folder is looked at twice: as a base itself, by the files that the patch lists; and as a
place where bases that are files may be.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from sapwood.content.content import Content
from sapwood.content.parts import EndToEnd
from sapwood.errors import InputError, SourceHashMismatch
from sapwood.files.sources import Source, contents, separated
from sapwood.files.trees import FileEntry, file_contents, mapped_of_each
from sapwood.models.applying.in_place.journal_place import unfinished
from sapwood.patch.applying.bases import matched_bases
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import MOST_BASES, FileDigest


def matched_sources(
    opened: OpenPatch, source: Source | Sequence[Source], threads: int
) -> list[Content]:
    """The bases of a patch, in its order, among the sources and below those that are folders.

    Raises:
        SourceHashMismatch: one is not there.
        IoError: a source cannot be read.
    """
    sources = source_list(source)
    bases = FolderBases(opened.front.header.bases, sources)
    try:
        with bases.explained():
            return matched_bases(opened, bases.contents(), threads)
    except SourceHashMismatch as e:
        raise SourceHashMismatch(f"{e}{unfinished(sources)}") from e


def _check_folder(root: Path, files: Sequence[FileEntry]) -> None:
    """That a folder has files of those paths and sizes. Others in it do no harm.

    Raises:
        SourceHashMismatch: one is missing, or of another size.
    """
    for one in files:
        path = root / one.path
        found = "nothing"
        try:
            status = path.stat()
        except OSError:
            pass
        else:
            if stat.S_ISREG(status.st_mode) and status.st_size == one.size:
                continue
            found = f"{status.st_size} bytes" if stat.S_ISREG(status.st_mode) else "no file"
        raise SourceHashMismatch(
            f"wrong base: {path}: expected a file of {one.size} bytes, found {found}; apply the "
            "patch to the folder that it was made from"
        )


def source_list(source: Source | Sequence[Source]) -> list[Source]:
    """One source, or those of a list.

    Raises:
        InputError: none, or more than a patch can have.
    """
    given = list(source) if isinstance(source, list | tuple) else [cast("Source", source)]
    if not 1 <= len(given) <= MOST_BASES:
        raise InputError(f"expected 1 to {MOST_BASES} sources, found {len(given)}")
    return given


class FolderBases:
    """The candidates for the bases of a patch, and why folders are none."""

    def __init__(self, bases: Sequence[FileDigest], sources: Sequence[Source]) -> None:
        """Looks at nothing yet.

        Args:
            bases: the bases as the patch's header names them.
            sources: the bases as the caller gave them.
        """
        self._lists = {base.files: None for base in bases if base.files is not None}
        self._folders = sum(base.files is not None for base in bases)
        self._sizes = {base.size for base in bases if base.files is None}
        self._sources = sources
        self._faults: list[str] = []

    def contents(self) -> Iterator[Content]:
        """What may be a base, each opened when it is asked for.

        Raises:
            IoError: a source cannot be read.
        """
        files, folders = separated(self._sources)
        for files_of_base in self._lists:
            for root in folders:
                try:
                    _check_folder(root, files_of_base)
                except SourceHashMismatch as e:
                    self._faults.append(str(e))
                else:
                    most = mapped_of_each(self._folders)
                    yield EndToEnd(file_contents(root, files_of_base, most))
        yield from contents(self._sources if self._sizes else files, self._sizes.__contains__)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Adds to an error what is wrong with the folders that were looked at."""
        try:
            yield
        except SourceHashMismatch as e:
            if not self._faults:
                raise
            if len(self._lists) == 1 and not self._sizes:
                raise SourceHashMismatch("; ".join(self._faults)) from e
            raise SourceHashMismatch("; ".join([str(e), *self._faults])) from e
