"""Cuts a target into segments where it or a base is a folder: the bytes of files end to end.

Tensors are predicted from whichever file of a base has them, so that shards may be cut
anew. Files without tensors are compared with their *twin*, the base's file of the same
path or likest to it. Bytes of a folder are read when they are coded, not before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import STRIPE, Within
from sapwood.modelfile import TensorEntry, format_named
from sapwood.modelfile.layout import Range
from sapwood.models.making.inputs import Input, Part
from sapwood.models.making.merging import Config
from sapwood.models.making.recipes import predictions
from sapwood.models.making.regions import bytes_of, plain_segments
from sapwood.models.making.segments import (
    file_segments,
    sorted_segments,
    tensor_segment,
    with_islands_as_skeleton,
)
from sapwood.models.making.skeletons import SkeletonFinder
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.making.segments import SegmentSource

SMALL = 1 << 20  # bytes; smaller files without tensors are searched for in all such of the base
MOST_JOINED = 1 << 20  # bytes of small files that share a segment

Placed = tuple[int, SegmentSource]


def input_segments(
    bases: Sequence[Input], target: Input, configs: Sequence[Config] | None = None
) -> list[SegmentSource]:
    """The segments of a target, in order, covering it.

    Args:
        bases: at least one. Tensors may be predicted from any of them, other bytes from
            the first.
        target: the version to be made, borrowed.
        configs: of the bases that are adapters; UNKNOWN of others.
    """
    if all(one.entries is None for one in (*bases, target)):
        files = [(whole(one.content), one.file) for one in bases]
        return file_segments(files, whole(target.content), target.file, configs)
    return sorted_segments(list(FolderCutter(bases, target, configs).segments()))


def whole(content: Content) -> Bytes:
    """All of a content that lies in one place."""
    return content[0 : len(content)]


@dataclasses.dataclass(frozen=True, slots=True)
class FilePiece:
    """A file with its layout by offsets in the whole.

    Attributes:
        part: the file.
        tensors: those that get segments, by the names that they have in the whole.
        skeleton: all else.
    """

    part: Part
    tensors: tuple[TensorEntry, ...]
    skeleton: tuple[Range, ...]


def _pieces_of(version: Input) -> Iterator[FilePiece]:
    """The files of a version in order."""
    named = iter(version.file.tensors)
    for part in version.parts:
        kept = with_islands_as_skeleton(part.file)
        staying = set(kept.tensors)
        # The same tensors in the same order, by two names.
        pairs = [(own, next(named)) for own in part.file.tensors]
        yield FilePiece(
            part,
            tuple(entry for own, entry in pairs if own in staying),
            tuple((part.begin + offset, length) for offset, length in kept.skeleton),
        )


class Twins:
    """The files of a base, to be found by what they have in common with one of a target."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Of several that are as like, the first will do."""
        self._paths = {part.path: part for part in parts}
        self._names = {_name_of(part): part for part in reversed(parts)}
        self._sizes = {part.file.size: part for part in reversed(parts)}
        self._large = [part for part in parts if part.file.size > SMALL and not part.file.tensors]

    def of(self, part: Part) -> Part | None:
        """The file of the same path, or else of the same name, or of the same size."""
        return (
            self._paths.get(part.path)
            or self._names.get(_name_of(part))
            or self._sizes.get(part.file.size)
        )

    def like(self, part: Part) -> Part | None:
        """As `of`; or else, of the large files without tensors, the one of the nearest size."""
        size = part.file.size
        nearest = min(self._large, key=lambda one: abs(one.file.size - size), default=None)
        return self.of(part) or nearest


def _name_of(part: Part) -> str:
    """The last part of a path."""
    return part.path.rpartition("/")[2]


@dataclasses.dataclass(slots=True)
class SegmentRun:
    """Neighbouring files that share a segment: small ones, or ones that did not change.

    Attributes:
        begin, end: in the target.
        copies: from the base, by offsets in the whole.
        unchanged: whether all of it is one copy.
    """

    begin: int
    end: int
    copies: list[Copy]
    unchanged: bool

    def take(self, other: SegmentRun) -> bool:
        """Takes the files behind, where one segment for all is worth it."""
        if self.end != other.begin or self.unchanged != other.unchanged:
            return False
        if self.unchanged:
            last, following = self.copies[-1], other.copies[0]
            if last.shift != following.shift:
                return False
            self.copies = [Copy(last.target, last.base, last.length + following.length)]
        elif other.end - self.begin > MOST_JOINED:
            return False
        else:
            self.copies += other.copies
        self.end = other.end
        return True


class FolderCutter:
    """What cutting a target needs to know of its bases."""

    def __init__(
        self, bases: Sequence[Input], target: Input, configs: Sequence[Config] | None
    ) -> None:
        """Borrows bases and target. Nothing is read yet."""
        self._configs = configs
        self._bases = bases
        self._target = target
        self._twins = Twins([part for part in bases[0].parts if part.file.size])
        self._finder: SkeletonFinder | None = None

    def segments(self) -> Iterator[Placed]:
        """A segment for each tensor, run of small files and stretch between, with its offset."""
        by_tensor: list[FilePiece] = []
        run: SegmentRun | None = None
        for piece in _pieces_of(self._target):
            if not piece.part.file.size:
                continue
            found = self._run_of(piece)
            if found is None:
                by_tensor.append(piece)
            if run is not None and (found is None or not run.take(found)):
                yield self._bytes(run.begin, run.end, run.copies)
                run = None
            if found is not None:
                run = run or found
        if run is not None:
            yield self._bytes(run.begin, run.end, run.copies)
        yield from self._tensors([entry for piece in by_tensor for entry in piece.tensors])
        for piece in by_tensor:
            yield from self._rest(piece)

    def _run_of(self, piece: FilePiece) -> SegmentRun | None:
        """A file as the run that it begins, or None where it gets segments of its own."""
        part = piece.part
        twin = self._twins.of(part)
        # Unchanged files of such formats keep an entry for each tensor: `load_patched` gives those.
        shown = bool(piece.tensors) and format_named(part.file.format).in_c_order
        if twin is not None and not shown and same_bytes(twin.content, part.content):
            return SegmentRun(
                part.begin, part.end, [Copy(part.begin, twin.begin, part.file.size)], True
            )
        if piece.tensors or part.file.size > SMALL:
            return None
        return SegmentRun(part.begin, part.end, self._copies(part.begin, part.end), False)

    def _tensors(self, entries: Sequence[TensorEntry]) -> Iterator[Placed]:
        """A segment for each tensor."""
        content = self._target.content
        bases = [(base.content, base.file) for base in self._bases]
        found = predictions(bases, self._configs, content, entries)
        for entry, (places, recipes) in zip(entries, found, strict=True):
            data = Within(content, entry.offset, entry.end)
            yield entry.offset, tensor_segment(entry, places, data, recipes)

    def _rest(self, piece: FilePiece) -> Iterator[Placed]:
        """The segments of what is no tensor's in a file that has its own."""
        part = piece.part
        twin = self._twins.of(part) if piece.tensors else self._twins.like(part)
        if not piece.tensors and twin is not None:
            found = plain_segments(whole(twin.content), whole(part.content))
            yield from self._moved(found, part, twin)
            return
        for offset, length in piece.skeleton:
            end = offset + length
            own = slice(offset - part.begin, end - part.begin)
            if (
                twin is not None
                and own.stop <= twin.file.size
                and np.array_equal(twin.content[own], part.content[own])
            ):
                copies = [Copy(offset, twin.begin + own.start, length)]
            else:
                copies = self._copies(offset, end)
            yield self._bytes(offset, end, copies)

    def _moved(self, found: Sequence[SegmentSource], part: Part, twin: Part) -> Iterator[Placed]:
        """Segments of a file against its twin, as those of the whole."""
        at = part.begin
        for one in found:
            end = at + len(one.target)
            places = tuple(BaseRange(0, twin.begin + place.offset) for place in one.places)
            copies = tuple(
                Copy(part.begin + copy.target, twin.begin + copy.base, copy.length)
                for copy in one.copies
            )
            data = Within(self._target.content, at, end)
            yield at, dataclasses.replace(one, target=data, places=places, copies=copies)
            at = end

    def _bytes(self, begin: int, end: int, copies: Sequence[Copy]) -> Placed:
        """A segment of bytes, with its offset."""
        return begin, bytes_of(Within(self._target.content, begin, end), begin, end, copies)

    def _copies(self, begin: int, end: int) -> list[Copy]:
        """Copies that make up target[begin:end], from all that is searched of the base."""
        if self._finder is None:
            base = self._bases[0]
            self._finder = SkeletonFinder(base.content, list(_searched(base)))
        data = self._target.content[begin:end]
        return [
            Copy(begin + copy.target, copy.base, copy.length)
            for copy in self._finder.find(data, 0, end - begin)
        ]


def _searched(base: Input) -> Iterator[Range]:
    """The skeleton of a base's models, and its small files; ascending.

    Large files without tensors are compared with their twins only.
    """
    for piece in _pieces_of(base):
        if piece.tensors or piece.part.file.size <= SMALL:
            yield from piece.skeleton


def same_bytes(one: Content, other: Content) -> bool:
    """Whether two contents are equal, a stripe at a time."""
    if len(one) != len(other):
        return False
    return all(
        np.array_equal(one[at : at + STRIPE], other[at : at + STRIPE])
        for at in range(0, len(one), STRIPE)
    )
