"""The target of a patch as what it is: a file, or a folder of files, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from sapwood.documents.paths import unportable
from sapwood.errors import InputError, InvalidPatch
from sapwood.files.folders import atomic_folder
from sapwood.files.holes import SparseWriter
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.trees import FileEntry

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextlib.contextmanager
def target_output(output: Output, files: Sequence[FileEntry] | None) -> Iterator[IO[bytes]]:
    """What the bytes of a target are written to, in order.

    Args:
        output: as of `atomic_output`, for a file; for a folder as of `atomic_folder`.
        files: the files of a folder, in the order of their bytes; None for a file.

    Raises:
        InputError: the output cannot be a folder, or something is there.
        InvalidPatch: the files of a folder cannot be written everywhere beside each other, or
            lie where other programs trust what they find.
        IoError: writing failed. The output is as it was.
    """
    if files is None:
        with atomic_output(output) as out:
            yield out
        return
    if not isinstance(output, str | os.PathLike):
        raise InputError("the target is a folder; name a path for it, where nothing is")
    fault = unportable([one.path for one in files])
    if fault is not None:
        raise InvalidPatch(
            f"target: {fault}; nothing was written; have the file renamed, and the patch made anew"
        )
    with (
        atomic_folder(output) as folder,
        contextlib.closing(FolderWriter(folder, files)) as writer,
    ):
        # Raw files may be written to in parts, which is all that is done with this one.
        yield cast("IO[bytes]", writer)
        writer.finish()


class FolderWriter(io.RawIOBase):
    """The files of a folder, written as one run of bytes."""

    def __init__(self, folder: Path, files: Sequence[FileEntry]) -> None:
        """Writes nothing yet.

        Args:
            folder: a folder that is empty, and nobody else's.
            files: its files to be, in order, with paths that are portable.
        """
        self._folder = folder
        self._files = iter(files)
        self._made: set[Path] = set()
        self._out: IO[bytes] | None = None
        self._writer: SparseWriter | None = None
        self._left = 0

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes what still belongs to the current file, and says how much that was.

        Raises:
            OSError: from the file.
        """
        view = memoryview(data)
        while self._left == 0:
            if not self._next():
                raise OSError("more bytes than the files of the folder have")
        part = view[: self._left]
        if self._writer is not None:
            self._writer.write(part)
        self._left -= len(part)
        return len(part)

    def finish(self) -> None:
        """Makes the files that are left, which are empty.

        Raises:
            OSError: from a file.
        """
        while self._next():
            pass

    def close(self) -> None:
        """Closes the current file; on an error, what was written to it may be lost."""
        if self._out is not None:
            self._out.close()
        super().close()

    def _next(self) -> bool:
        """Begins the next file, if there is one."""
        if self._out is not None and self._writer is not None:
            self._writer.finish()
            self._out.close()
            self._out = self._writer = None
        entry = next(self._files, None)
        if entry is None:
            return False
        path = self._folder / entry.path
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        # The umask has its say.
        handle = os.open(
            path,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
            0o777 if entry.executable else 0o666,
        )
        self._out = os.fdopen(handle, "wb")
        self._writer = SparseWriter(self._out)
        self._left = entry.size
        return True
