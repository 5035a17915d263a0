"""Cuts a target file into segments, each with what in the base predicts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.modelfile import ModelFile, SmallTensors, TensorEntry, format_named
from sapwood.modelfile.layout import gaps
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


Base: TypeAlias = tuple[Bytes, ModelFile]
"""A base's bytes, borrowed, and their layout."""


def file_segments(
    bases: Sequence[Base],
    target: Bytes,
    target_file: ModelFile,
    configs: Sequence[Config] | None = None,
) -> list[SegmentSource]:
    """The segments of a target, in order, covering it.

    Args:
        bases: at least one. Tensors may be predicted from any of them, other bytes from
            the first.
        target: the whole file, borrowed.
        target_file: its layout.
        configs: of the bases that are adapters; UNKNOWN of others.
    """
    target_file = with_islands_as_skeleton(target_file)
    if not target_file.tensors:
        return plain_segments(bases[0][0], target)
    return sorted_segments(
        [
            *_tensor_segments(bases, target, target_file, configs),
            *_skeleton_segments(*bases[0], target, target_file),
        ]
    )


def with_islands_as_skeleton(file: ModelFile) -> ModelFile:
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


def sorted_segments(placed: list[tuple[int, SegmentSource]]) -> list[SegmentSource]:
    """Segments in the order of their offsets; an empty tensor goes before what follows it."""
    placed.sort(key=lambda one: (one[0], len(one[1].target)))
    return [segment for _, segment in placed]


def _tensor_segments(
    bases: Sequence[Base],
    target: Bytes,
    target_file: ModelFile,
    configs: Sequence[Config] | None,
) -> Iterator[tuple[int, SegmentSource]]:
    """A segment for each tensor, with its offset."""
    found = predictions(bases, configs, target, target_file.tensors)
    for entry, (places, recipes) in zip(target_file.tensors, found, strict=True):
        data = target[entry.offset : entry.end]
        yield entry.offset, tensor_segment(entry, places, data, recipes)


def tensor_segment(
    entry: TensorEntry,
    places: tuple[BaseRange, ...],
    data: Content,
    recipes: tuple[Prediction, ...] = (),
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


def _skeleton_segments(
    base: Bytes, base_file: ModelFile, target: Bytes, target_file: ModelFile
) -> Iterator[tuple[int, SegmentSource]]:
    """A segment for each range that is no tensor's, matched against all such of the base."""
    finder = SkeletonFinder(base, with_islands_as_skeleton(base_file).skeleton)
    for offset, length in target_file.skeleton:
        end = offset + length
        if end <= len(base) and np.array_equal(base[offset:end], target[offset:end]):
            copies = [Copy(offset, offset, length)]
        else:
            copies = finder.find(target, offset, end)
        yield offset, bytes_segment(target, offset, end, copies)
