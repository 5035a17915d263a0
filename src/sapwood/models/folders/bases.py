"""Finds the bases of a patch among sources that may be folders.

A folder is looked at twice: as a base itself, by the files that the patch lists; and as a
place where bases that are files may be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from sapwood.codec.content import Content
from sapwood.errors import SourceHashMismatch
from sapwood.models.files import Source
from sapwood.models.folders.finding import contents, separated
from sapwood.models.folders.trees import check_folder, file_contents, mapped_of_each
from sapwood.patch.contents import EndToEnd
from sapwood.patch.format import FileDigest


class FolderBases:
    """The candidates for the bases of a patch, and why folders are none."""

    def __init__(self, bases: Sequence[FileDigest], sources: Sequence[Source]) -> None:
        """Looks at nothing yet.

        Args:
            bases: of the patch's header.
            sources: as the caller gave them.
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
                    check_folder(root, files_of_base)
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
