"""Cuts a target into segments, each with what in the bases predicts it.

Versions are files, or folders: the bytes of their files end to end. Tensors are predicted from
whichever file of a base has them, so that shards may be cut anew. Other bytes of a file are
compared with its *twin*: between files the base, else the base's file of the same path or
likest to it. Bytes of a folder are read when they are coded, not before.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import assert_never

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import STRIPE, Within
from sapwood.modelfile import ModelFile, SmallTensors, TensorEntry, format_named
from sapwood.modelfile.layout import Range, gaps
from sapwood.models.making.inputs import Input, Part
from sapwood.models.making.merging import Config
from sapwood.models.making.recipes import predictions
from sapwood.models.making.regions import bytes_segment, plain_segments
from sapwood.models.making.skeletons import SkeletonFinder
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.front import MOST_DIMENSIONS
from sapwood.patch.format.predictions import BaseRange, Prediction
from sapwood.patch.making.segments import SegmentSource
from sapwood.tensors.block_types import BLOCK_TYPES

LEAST_ISLAND = 256  # bytes; about what two segments take in the index, and their payloads
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
        configs: the configurations of bases that are adapters, UNKNOWN for others; None where
            no base is one.
    """
    placed = list(Cutter(bases, target, configs).segments())
    placed.sort(key=lambda one: (one[0], len(one[1].target)))  # what is empty goes first
    return [segment for _, segment in placed]


def whole(content: Content) -> Bytes:
    """All of a content that lies in one place."""
    return content[0 : len(content)]


@dataclasses.dataclass(frozen=True, slots=True)
class FilePiece:
    """A file with its layout by offsets in the whole.

    Attributes:
        part: the file.
        tensors: tensors that get segments, by the names that they have in the whole.
        skeleton: ranges of all other bytes.
    """

    part: Part
    tensors: tuple[TensorEntry, ...]
    skeleton: tuple[Range, ...]


def _pieces_of(version: Input) -> Iterator[FilePiece]:
    """The files of a version in order."""
    named = iter(version.file.tensors)
    for part in version.parts:
        kept = _with_islands_as_skeleton(part.file)
        staying = set(kept.tensors)
        # The same tensors in the same order, by two names.
        pairs = [(own, next(named)) for own in part.file.tensors]
        yield FilePiece(
            part,
            tuple(entry for own, entry in pairs if own in staying),
            tuple((part.begin + offset, length) for offset, length in kept.skeleton),
        )


def _with_islands_as_skeleton(file: ModelFile) -> ModelFile:
    """The layout without the small tensors that its format leaves to the skeleton.

    A segment of its own for an axis or a scalar, and one for the bytes behind it, would take
    more than its elements: an ONNX file has hundreds of them.
    """
    small = [entry for entry in file.tensors if entry.spec.nbytes < LEAST_ISLAND]
    match format_named(file.format).small_tensors:
        case SmallTensors.NAMED:
            return file
        case SmallTensors.ISLANDS:
            starts = {offset for offset, _ in file.skeleton}
            ends = {offset + length for offset, length in file.skeleton}
            left = {one for one in small if one.offset in ends and one.end in starts}
        case SmallTensors.CRUMBS:
            left = set(small)
        case other:
            assert_never(other)
    tensors = tuple(entry for entry in file.tensors if entry not in left)
    return dataclasses.replace(file, tensors=tensors, skeleton=gaps(file.size, tensors))


class Twins:
    """The files of a base, to be found by what they have in common with one of a target."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Of several that are as like, the first will do."""
        self._paths = {part.path: part for part in parts}
        self._names = {_name_of(part): part for part in reversed(parts)}
        self._sizes = {part.file.size: part for part in reversed(parts)}
        large = [part for part in parts if part.file.size > SMALL and not part.file.tensors]
        self._large = {part.file.size: part for part in reversed(large)}
        self._ascending = sorted(self._large)

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
        at = bisect_left(self._ascending, size)
        near = self._ascending[max(0, at - 1) : at + 1]
        nearest = min(near, key=lambda one: abs(one - size), default=None)
        return self.of(part) or (None if nearest is None else self._large[nearest])


def _name_of(part: Part) -> str:
    """The last part of a path."""
    return part.path.rpartition("/")[2]


@dataclasses.dataclass(slots=True)
class SegmentRun:
    """Neighbouring files that share a segment: small ones, or ones that did not change.

    Attributes:
        begin, end: offsets in the target.
        copies: copies from the base, by offsets in the whole.
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


class Cutter:
    """What cutting a target needs to know of its bases."""

    def __init__(
        self, bases: Sequence[Input], target: Input, configs: Sequence[Config] | None
    ) -> None:
        """Borrows bases and target. Nothing is read yet."""
        self._configs = configs
        self._bases = bases
        self._target = target
        self._of_files = all(one.entries is None for one in (*bases, target))
        self._twins = Twins([part for part in bases[0].parts if part.file.size])
        self._finder: SkeletonFinder | None = None

    def segments(self) -> Iterator[Placed]:
        """A segment for each tensor, run of small files and stretch between, with its offset."""
        by_tensor: list[FilePiece] = []
        run: SegmentRun | None = None
        for piece in _pieces_of(self._target):
            if not (piece.part.file.size or self._of_files):
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
        if self._of_files:
            return None
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
            yield entry.offset, _tensor_segment(entry, places, data, recipes)

    def _rest(self, piece: FilePiece) -> Iterator[Placed]:
        """The segments of what is no tensor's in a file that has its own."""
        part, twin = piece.part, self._twin_of(piece)
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

    def _twin_of(self, piece: FilePiece) -> Part | None:
        """The file of the first base that one of the target is compared with."""
        if self._of_files:
            return self._bases[0].parts[0]
        return self._twins.of(piece.part) if piece.tensors else self._twins.like(piece.part)

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
        return begin, bytes_segment(Within(self._target.content, begin, end), begin, copies)

    def _copies(self, begin: int, end: int) -> list[Copy]:
        """Copies that make up target[begin:end], from all that is searched of the base."""
        if self._finder is None:
            self._finder = SkeletonFinder(self._bases[0].content, list(self._searched()))
        # A file is looked at where it lies: the matcher tries first what lies as far in the base.
        start = 0 if self._of_files else begin
        found = self._finder.find(self._target.content[start:end], begin - start, end - start)
        return [Copy(start + copy.target, copy.base, copy.length) for copy in found]

    def _searched(self) -> Iterator[Range]:
        """The skeleton of the first base's models, and its small files; ascending.

        Large files without tensors are compared with their twins only.
        """
        for piece in _pieces_of(self._bases[0]):
            if piece.tensors or piece.part.file.size <= SMALL or self._of_files:
                yield from piece.skeleton


def _tensor_segment(
    entry: TensorEntry,
    places: tuple[BaseRange, ...],
    data: Content,
    recipes: tuple[Prediction, ...],
) -> SegmentSource:
    """The segment of one tensor, of its bytes. More sides than the patch format has become one."""
    shape = entry.spec.shape
    return SegmentSource(
        name=entry.name,
        dtype=entry.spec.dtype,
        shape=shape if len(shape) <= MOST_DIMENSIONS else (entry.spec.elements,),
        target=data,
        places=places,
        recipes=recipes,
        blocks=None if entry.blocks is None else BLOCK_TYPES.get(entry.blocks),
    )


def same_bytes(one: Content, other: Content) -> bool:
    """Whether two contents are equal, a stripe at a time."""
    if len(one) != len(other):
        return False
    return all(
        np.array_equal(one[at : at + STRIPE], other[at : at + STRIPE])
        for at in range(0, len(one), STRIPE)
    )
