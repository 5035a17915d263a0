"""Which tensors of the bases become tensors of the target when they are written as another type.

A tensor is found by its name, or by its content: samples of what it becomes are compared
with those of the target, so that other formats may have other names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.models.pairing import Candidates, sample
from sapwood.patch.format import CASTED, CastEntry, Prediction
from sapwood.prediction.casting import cast_words
from sapwood.tensors import DType


def conversions(
    bases: Sequence[tuple[Bytes, ModelFile]], target: Bytes, tensors: Sequence[TensorEntry]
) -> list[tuple[Prediction, ...]]:
    """For each target tensor, what tensors of other types predict it.

    Args:
        bases: bytes, borrowed, and layouts.
        target: the whole file, borrowed.
        tensors: of it.
    """
    found: list[tuple[Prediction, ...]] = [()] * len(tensors)
    wanted: dict[tuple[DType, int], list[int]] = defaultdict(list)
    for i, entry in enumerate(tensors):
        if entry.spec.dtype in CASTED and entry.spec.elements:
            wanted[entry.spec.dtype, entry.spec.elements].append(i)
    for number, (base, file) in enumerate(bases):
        by_count: dict[int, list[TensorEntry]] = defaultdict(list)
        for entry in file.tensors:
            if entry.spec.dtype in CASTED:
                by_count[entry.spec.elements].append(entry)
        for (dtype, count), places in wanted.items():
            others = [one for one in by_count.get(count, ()) if one.spec.dtype is not dtype]
            if not others:
                continue
            candidates = Candidates(others, partial(cast_sample, base, dtype))
            for i in places:
                pair = candidates.nearest(tensors[i], partial(sample, target))
                if pair is not None:
                    found[i] += (CastEntry(number, pair.offset, pair.spec.dtype),)
    return found


def cast_sample(base: Bytes, dtype: DType, entry: TensorEntry) -> Bytes:
    """A sample of what a base's tensor becomes as another type, [n, bytes an element]."""
    elements = sample(base, entry)
    words = cast_words(entry.spec.dtype, dtype, elements.reshape(-1))
    return words.view(np.uint8).reshape(len(elements), dtype.size)
