"""Tells which tensors of a model changed, and by how much."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.documents.file_selection import FileSelection
from sapwood.files.reading import STRIPE
from sapwood.files.sources import Source
from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.modelfile.layout import Range
from sapwood.models.comparing.distances import PIECE, Tally
from sapwood.models.comparing.file_diffs import file_diffs
from sapwood.models.making.inputs import Input, open_input, remarks, unchanged
from sapwood.models.making.pairing import pair_tensors
from sapwood.models.results import FileDiff
from sapwood.progress import Progress, silent
from sapwood.tensors import DType

Status: TypeAlias = Literal["unchanged", "changed", "added", "removed", "renamed", "cast"]

STATUSES: tuple[Status, ...] = ("unchanged", "changed", "renamed", "cast", "added", "removed")


@dataclasses.dataclass(frozen=True, slots=True)
class Measures:
    """How far the elements of a tensor moved.

    A step is an ULP of a floating-point type and a unit of an integer: see `TensorDiff`.

    Attributes:
        rms_base: root of the mean square of the base's finite elements.
        rms_change: the same of the change of all elements that can be compared. An element
            that changed and is infinite or not a number, in the base or in the target, cannot.
        largest_step: the largest change of an element that can be compared, steps.
        mean_step: mean size of the change over all elements that can be compared, steps.
        incomparable: elements that changed and cannot be compared.
    """

    rms_base: float
    rms_change: float
    largest_step: int
    mean_step: float
    incomparable: int

    @property
    def relative(self) -> float:
        """The change relative to the base; infinity where only the base is all zero."""
        return _ratio(self.rms_change, self.rms_base)


@dataclasses.dataclass(frozen=True, slots=True)
class TensorDiff:
    """What became of one tensor.

    Attributes:
        name: its name in the target; of a tensor that was removed, in the base.
        dtype: the type of its elements, as the patch format names it ("bf16"); "bytes" where
            elements have no value by themselves, as in quantised blocks.
        shape: its shape in the target, or in the base where it was removed.
        status: "unchanged": the same name, type, shape and bits. "changed": something of that
            is not the same, but elements can be compared. "renamed": its elements are, or come
            from, those of a tensor of another name, which may be there still. "cast": the type
            or the number of elements differs from its namesake's. "added": the base has nothing
            like it. "removed": no tensor of the target comes from it.
        base_name: the name of the tensor that it is compared with, or that it was cast from;
            None where there is none.
        base_dtype, base_shape: type and shape of that tensor, or None.
        elements: how many elements the tensor has.
        changed_elements: how many of them have other bits; all where they cannot be compared.
        measures: what was measured of elements that can be compared; None where there are none,
            or they are opaque bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    status: Status
    base_name: str | None
    base_dtype: str | None
    base_shape: tuple[int, ...] | None
    elements: int
    changed_elements: int
    measures: Measures | None

    @property
    def step(self) -> str:
        """What a step is: "ULP" or "unit"."""
        return "ULP" if DType.named(self.dtype).family == "float" else "unit"

    @property
    def amount(self) -> float:
        """How much changed, to sort by.

        The relative change, infinite for what is new, gone or cast. Of elements without a
        value, or where none can be compared, the share of those that changed.
        """
        if self.status in {"added", "removed", "cast"}:
            return math.inf
        if self.measures is not None and self.measures.incomparable < self.changed_elements:
            return self.measures.relative
        return self.changed_elements / self.elements if self.elements else 0.0

    def to_json(self) -> dict[str, Any]:
        """The tensor as JSON values; what was not measured, or is infinite, is None."""
        measures = self.measures
        return {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "status": self.status,
            "base_name": self.base_name,
            "base_dtype": self.base_dtype,
            "base_shape": None if self.base_shape is None else list(self.base_shape),
            "elements": self.elements,
            "changed_elements": self.changed_elements,
            "incomparable_elements": None if measures is None else measures.incomparable,
            "relative": None if measures is None else _finite(measures.relative),
            "rms_base": None if measures is None else _finite(measures.rms_base),
            "rms_change": None if measures is None else _finite(measures.rms_change),
            "step": None if measures is None else self.step,
            "largest_step": None if measures is None else measures.largest_step,
            "mean_step": None if measures is None else measures.mean_step,
        }


def _finite(value: float) -> float | None:
    """A number that JSON has, or None."""
    return value if math.isfinite(value) else None


@dataclasses.dataclass(frozen=True, slots=True)
class ModelDiff:
    """What differs between two model files, or folders.

    Attributes:
        base_format, target_format: the formats, as `ModelFile.format` names them.
        base_size, target_size: bytes of each.
        tensors: tensors of the target in the order of the file, then those that were removed.
        skeleton_changed: whether anything but the tensors' elements differs: metadata,
            names, shapes, graphs, padding; which files there are, and how long they are.
        files: all files of two folders by path; none where one of them is a file.
        warnings: lines on versions that are no whole models, and on what was left out of folders;
            as of `PatchStats`.
    """

    base_format: str
    target_format: str
    base_size: int
    target_size: int
    tensors: tuple[TensorDiff, ...]
    skeleton_changed: bool
    files: tuple[FileDiff, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.skeleton_changed and all(
            tensor.status == "unchanged" for tensor in self.tensors
        )

    @property
    def elements(self) -> int:
        """How many elements all tensors of the target have."""
        return sum(tensor.elements for tensor in self.tensors if tensor.status != "removed")

    @property
    def changed_elements(self) -> int:
        """How many elements of the target changed; of tensors that are new or cast, all."""
        return sum(tensor.changed_elements for tensor in self.tensors if tensor.status != "removed")

    @property
    def relative(self) -> float | None:
        """The change of all floating-point tensors that can be compared, relative to the base.

        None where there are none.
        """
        measured = [
            (tensor.measures, math.sqrt(tensor.elements))
            for tensor in self.tensors
            if tensor.measures is not None and tensor.step == "ULP"
        ]
        if not measured:
            return None
        return _ratio(
            math.hypot(*(one.rms_change * root for one, root in measured)),
            math.hypot(*(one.rms_base * root for one, root in measured)),
        )

    def count(self, status: Status) -> int:
        """How many tensors have that status."""
        return sum(tensor.status == status for tensor in self.tensors)

    def to_json(self) -> dict[str, Any]:
        """What was found as JSON values; what is infinite is None; `warnings` are told apart."""
        return {
            "base_format": self.base_format,
            "target_format": self.target_format,
            "base_size": self.base_size,
            "target_size": self.target_size,
            "equal": self.equal,
            "skeleton_changed": self.skeleton_changed,
            "counts": {status: self.count(status) for status in STATUSES},
            "elements": self.elements,
            "changed_elements": self.changed_elements,
            "relative": None if self.relative is None else _finite(self.relative),
            "files": [file.to_json() for file in self.files],
            "tensors": [tensor.to_json() for tensor in self.tensors],
        }


def diff(
    base: Source,
    target: Source,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    progress: Progress = silent,
) -> ModelDiff:
    """Tells which tensors of a model changed, and by how much.

    Tensors are paired as patches pair them: by name and, where the name changed, by
    content. Both files are read once from the beginning to the end, memory-mapped, with a few
    MiB of memory beside the maps. A file that is no model has no tensors: all of it is skeleton.

    Args:
        base: a path, bytes or a binary file object; of any format that patches know. A path
            of a folder stands for the files in it and below, as of `create_patch`.
        target: likewise. Tensors of files of two formats are compared by their elements.
        include, exclude: as of `create_patch`, of both.
        progress: is told how many bytes of the target's tensors are done.

    Raises:
        IoError: a file cannot be read, or changed meanwhile.
        InputError: one of them is nothing of the kind, or a folder with what is no file; a
            pattern is none.
    """
    selection = FileSelection.of(include, exclude)
    with unchanged(base, target, selection=selection):
        old, new = (open_input(one, 2, selection) for one in (base, target))
        return ModelDiff(
            base_format=old.file.format,
            target_format=new.file.format,
            base_size=old.file.size,
            target_size=new.file.size,
            tensors=tuple(_tensor_diffs(old.content, old.file, new.content, new.file, progress)),
            skeleton_changed=not _same_skeletons(old, new),
            files=tuple(file_diffs(old, new)),
            warnings=tuple(remarks((base, target), (old, new), "compared")),
        )


def _same_skeletons(old: Input, new: Input) -> bool:
    """Whether two versions are alike in everything but elements: in files and in bytes."""
    return old.entries == new.entries and _same_ranges(
        old.content, old.file.skeleton, new.content, new.file.skeleton
    )


def _tensor_diffs(
    old: Content, old_file: ModelFile, new: Content, new_file: ModelFile, progress: Progress
) -> Iterator[TensorDiff]:
    """Compares the tensors of two files; yields those of the target, then what was removed."""
    namesakes = {entry.name: entry for entry in reversed(old_file.tensors)}
    total = sum(entry.spec.nbytes for entry in new_file.tensors)
    done = 0
    used: set[TensorEntry] = set()
    pairs = pair_tensors(old, old_file.tensors, new, new_file.tensors)
    for entry, pair in zip(new_file.tensors, pairs, strict=True):
        found = pair
        if found is not None and found.name != entry.name and entry.spec.elements == 0:
            found = None  # nothing is like nothing
        comparable = found is not None
        if found is None:
            found = namesakes.get(entry.name)
        if found is not None:
            used.add(found)
        if found is None or not comparable:
            yield _incomparable(entry, found, "added" if found is None else "cast")
        else:

            def moved(at: int, before: int = done) -> None:
                progress(before + at, total)

            tally = _tallied(old, found, new, entry, moved)
            yield _compared(found, entry, tally)
        done += entry.spec.nbytes
    progress(done, total)
    for entry in old_file.tensors:
        if entry not in used:
            yield _incomparable(entry, None, "removed")


def _incomparable(entry: TensorEntry, base: TensorEntry | None, status: Status) -> TensorDiff:
    """A tensor that cannot be compared element by element: all of it changed."""
    return TensorDiff(
        name=entry.name,
        dtype=entry.spec.dtype.label,
        shape=entry.spec.shape,
        status=status,
        base_name=None if base is None else base.name,
        base_dtype=None if base is None else base.spec.dtype.label,
        base_shape=None if base is None else base.spec.shape,
        elements=entry.spec.elements,
        changed_elements=entry.spec.elements,
        measures=None,
    )


def _tallied(
    old: Content, base: TensorEntry, new: Content, entry: TensorEntry, moved: Callable[[int], None]
) -> Tally:
    """Measures two tensors of one type and number of elements, piece by piece.

    Args:
        old: the whole base, borrowed.
        base: a tensor of the base.
        new: the whole target, borrowed.
        entry: a tensor of the target.
        moved: is told how many bytes of the tensor are done.
    """
    tally = Tally()
    step = PIECE * entry.spec.dtype.size
    for at in range(0, entry.spec.nbytes, step):
        size = min(step, entry.spec.nbytes - at)
        tally.add(
            entry.spec.dtype,
            old[base.offset + at : base.offset + at + size],
            new[entry.offset + at : entry.offset + at + size],
        )
        moved(at + size)
    return tally


def _compared(base: TensorEntry, entry: TensorEntry, tally: Tally) -> TensorDiff:
    """A tensor and the one of the base that it was compared with."""
    status: Status = "changed"
    if base.name != entry.name:
        status = "renamed"
    elif tally.changed == 0 and base.spec == entry.spec:
        status = "unchanged"
    opaque = entry.spec.dtype is DType.BYTES
    return dataclasses.replace(
        _incomparable(entry, base, status),
        changed_elements=tally.changed,
        measures=None if opaque else _measures(tally, entry.spec.elements),
    )


def _measures(tally: Tally, elements: int) -> Measures:
    """What a tally of so many elements comes to."""
    comparable = elements - tally.incomparable
    return Measures(
        rms_base=tally.base_norm / math.sqrt(max(1, tally.finite)),
        rms_change=tally.change_norm / math.sqrt(max(1, comparable)),
        largest_step=tally.largest,
        mean_step=tally.total / max(1, comparable),
        incomparable=tally.incomparable,
    )


def _ratio(change: float, base: float) -> float:
    """A change relative to a base, both not negative, where either may be zero or infinite."""
    if change == 0:
        return 0.0
    return change / base if 0 < base < math.inf and change < math.inf else math.inf


def _same_ranges(
    old: Content, ours: Sequence[Range], new: Content, theirs: Sequence[Range]
) -> bool:
    """Whether ranges of two files, each put together, hold the same bytes."""
    if sum(length for _, length in ours) != sum(length for _, length in theirs):
        return False
    left, right = _pieces(old, ours), _pieces(new, theirs)
    a, b = old[0:0], new[0:0]
    while True:
        a, b = a if len(a) else next(left, a), b if len(b) else next(right, b)
        size = min(len(a), len(b))
        if size == 0:
            return True
        if not np.array_equal(a[:size], b[:size]):
            return False
        a, b = a[size:], b[size:]


def _pieces(data: Content, ranges: Sequence[Range]) -> Iterator[Bytes]:
    """Ranges of a file, in parts that are compared at once; none is empty."""
    for offset, length in ranges:
        for at in range(offset, offset + length, STRIPE):
            yield data[at : min(at + STRIPE, offset + length)]
