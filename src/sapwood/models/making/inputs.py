"""The versions of a model as they are read: files, and folders as their files end to end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sapwood.content.content import Content
from sapwood.content.parts import EndToEnd
from sapwood.documents.file_selection import ALL_BUT_LITTER, FileSelection
from sapwood.errors import Changed, InputError
from sapwood.files import sources as files
from sapwood.files.outputs import Output
from sapwood.files.paths import path_name
from sapwood.files.sources import Source, folder_of, read_source
from sapwood.files.trees import FileEntry, ListedFile, file_contents, list_folder, mapped_of_each
from sapwood.modelfile import ModelFile, open_model
from sapwood.modelfile.folder import open_folder, whole_folder
from sapwood.models.remarks import fault_of, left_out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file of a version.

    Attributes:
        path: its path in the folder; for a file that is the whole version its name, or "".
        begin: its offset in the whole, bytes.
        content: its bytes, borrowed.
        file: its layout, by offsets in itself.
    """

    path: str
    begin: int
    content: Content
    file: ModelFile

    @property
    def end(self) -> int:
        """The first offset in the whole after it."""
        return self.begin + self.file.size


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A version of a model.

    Attributes:
        content: all of its bytes.
        file: their layout.
        parts: the files, one after another.
        entries: the files of a folder as a patch lists them; None for a file.
        left_out: what is in the folder and was not selected, as of `files.trees.Listing`.
    """

    content: Content
    file: ModelFile
    parts: tuple[Part, ...]
    entries: tuple[FileEntry, ...] | None = None
    left_out: tuple[str, ...] = ()


def open_input(source: Source, inputs: int = 2, selection: FileSelection = ALL_BUT_LITTER) -> Input:
    """Opens a file, or a folder with what is selected of it.

    Args:
        source: a version of a model.
        inputs: how many versions are open at once, at most.
        selection: which files of a folder are taken.

    Raises:
        IoError: something cannot be read.
        InputError: it is nothing of the kind, or a folder with what no patch can carry.
    """
    root = folder_of(source)
    if root is not None:
        return _open_root(root, mapped_of_each(inputs), selection)
    data = read_source(source)
    file = open_model(data)
    name = Path(path_name(source)).name if isinstance(source, str | os.PathLike) else ""
    return Input(data, file, (Part(name, 0, data, file),))


def _open_root(root: Path, most_mapped: int, selection: FileSelection) -> Input:
    """Opens a folder, of which so many files stay open at most."""
    listing = list_folder(root, selection)
    entries = listing.entries
    opened = file_contents(root, entries, most_mapped)
    contents = dict(zip((one.path for one in entries), opened, strict=True))
    layouts = open_folder([*contents], lambda path: contents[path][0 : len(contents[path])])
    parts = []
    at = 0
    for path, file in layouts.items():
        parts.append(Part(path, at, contents[path], file))
        at += file.size
    content = EndToEnd([*contents.values()])
    return Input(content, whole_folder(layouts), tuple(parts), entries, listing.left_out)


def remarks(sources: Sequence[Source], versions: Sequence[Input], done: str) -> Iterator[str]:
    """What is wrong with versions that look like models and are none, and what was left out.

    Args:
        sources: what the versions were opened from, for their names; the last is the target.
        versions: the versions.
        done: what is done with those that are none, as bytes.
    """
    for i, (source, version) in enumerate(zip(sources, versions, strict=True), 1):
        name = "the target" if i == len(sources) else "the source"
        if isinstance(source, str | os.PathLike):
            name = path_name(source)
        # A folder may be empty.
        fault = fault_of(version.file) if version.entries is None else version.file.warning
        if fault is not None:
            yield f"{name}: {fault}; {done} as bytes"
        yield from left_out(name, version.left_out)


@contextlib.contextmanager
def unchanged(*sources: Source, selection: FileSelection = ALL_BUT_LITTER) -> Iterator[None]:
    """Notices files that change while they are read, in folders too.

    Args:
        sources: the files and folders.
        selection: which files of a folder are looked at.

    Raises:
        Changed: a file, or what is in a folder, is not what it was when the block began.
        InputError: there is a folder with what no patch can carry.
    """
    before = [_listing(one, selection) for one in sources]
    with files.unchanged(*sources):
        yield
    for source, then in zip(sources, before, strict=True):
        if _listing(source, selection) != then:
            raise Changed(
                f"{source!s}: something in the folder changed while it was read, nothing was "
                "written; try again when nobody writes to it"
            )


def _listing(source: Source, selection: FileSelection) -> tuple[ListedFile, ...] | None:
    """What is selected of a folder, or None for other sources."""
    root = folder_of(source)
    return None if root is None else list_folder(root, selection).files


def check_outside(output: Output, *sources: Source) -> None:
    """Refuses to write into a folder that is read.

    Raises:
        InputError: the output would be in one.
    """
    if not isinstance(output, str | os.PathLike):
        return
    place = Path(os.path.realpath(path_name(output)))
    for one in sources:
        root = folder_of(one)
        if root is not None and place.is_relative_to(os.path.realpath(root)):
            raise InputError(
                f"{output!s}: is inside of {root}, which is read whole; name a place outside"
            )


def check_reversible(bases: Sequence[Source]) -> None:
    """Refuses a reverse of a patch of several bases.

    Raises:
        InputError: there are several.
    """
    if len(bases) > 1:
        raise InputError(f"nothing leads back to {len(bases)} bases at once; leave the reverse out")
