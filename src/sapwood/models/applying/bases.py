"""Finds the bases of a patch among sources that may be folders.

A folder is looked at twice: as a base itself, by the files that the patch lists; and as a
place where bases that are files may be.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import EndToEnd
from sapwood.errors import InputError, SourceHashMismatch
from sapwood.files.paths import path_name
from sapwood.files.sources import Source, contents_below, read_source, separated
from sapwood.files.trees import FileEntry, file_contents, mapped_of_each
from sapwood.models.applying.differing import other_content, other_sizes
from sapwood.models.applying.in_place.journal_place import unfinished
from sapwood.models.remarks import unfit
from sapwood.patch.applying.bases import matched_bases
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import MOST_BASES, FileDigest


def matched_sources(
    opened: OpenPatch, source: Source | Sequence[Source], threads: int
) -> list[Content]:
    """The bases of a patch, in its order, among the sources and below those that are folders.

    Raises:
        SourceHashMismatch: one is not there. Its words say what is known of what was given instead.
        IoError: a source cannot be read.
    """
    sources = source_list(source)
    bases = FolderBases(opened.front.header.bases, sources)
    try:
        with bases.explained():
            return matched_bases(opened, bases.contents(), threads)
    except SourceHashMismatch as e:
        raise SourceHashMismatch(f"{e}{bases.unfit(opened)}{unfinished(sources)}") from e


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
        self._read: list[tuple[str, Bytes]] = []  # files, by name
        self._fitting: list[tuple[tuple[FileEntry, ...], Content]] = []  # by their sizes

    def contents(self) -> Iterator[Content]:
        """What may be a base, each opened when it is asked for.

        Raises:
            IoError: a source cannot be read.
        """
        files, folders = separated(self._sources)
        for files_of_base in self._lists:
            for root in folders:
                fault = other_sizes(root, files_of_base)
                if fault is not None:
                    self._faults.append(fault)
                    continue
                most = mapped_of_each(self._folders)
                content = EndToEnd(file_contents(root, files_of_base, most))
                self._fitting.append((files_of_base, content))
                yield content
        for i, one in enumerate(files, 1):
            name = path_name(one) if isinstance(one, str | os.PathLike) else f"source {i}"
            self._read.append((name, read_source(one)))
        yield from [data for _, data in self._read]
        for root in folders if self._sizes else ():
            yield from contents_below(root, self._sizes.__contains__)

    def unfit(self, opened: OpenPatch) -> str:
        """What to say of what was looked at and is no base of a patch, behind that."""
        bases = opened.front.header.bases
        wanted = [one.sha256 for one in bases]
        words = "".join(unfit(name, data, wanted) for name, data in self._read)
        # Of a patch elsewhere the body would have to be fetched.
        if len(bases) == len(self._fitting) == 1 and isinstance(opened.body, np.ndarray):
            ((files, content),) = self._fitting
            words += other_content(opened, content, files)
        return words

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
