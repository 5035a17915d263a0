"""Which tensors of the bases become tensors of the target when they are written as another type.

A tensor is found by its name, or by its content: samples of what it becomes are compared
with those of the target, so that other formats may have other names.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from sapwood.content.content import Bytes, Content
from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.models.making.pairing import LIKELY, SAMPLES, Candidates, sample
from sapwood.patch.format.predictions import CASTED, QUANTISED, CastEntry, Prediction, QuantiseEntry
from sapwood.prediction.casting import cast_words
from sapwood.prediction.requantising import ELEMENTS, QUANTISERS, quantised
from sapwood.tensors import DType

LIKELY_BLOCKS = 0.25  # share of equal bytes; blocks of unrelated weights agree in about 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What tensors of a target have in common.

    Attributes:
        dtype: the type of their elements; U8 for blocks.
        block: the name of the type of their blocks; None for elements.
        count: how many numbers each of them stands for.
    """

    dtype: DType
    block: str | None
    count: int

    @classmethod
    def of(cls, entry: TensorEntry) -> Wanted | None:
        """What a tensor is, or None where no recipe makes the like."""
        if entry.spec.elements == 0:
            return None
        if entry.blocks is not None:
            kind = QUANTISERS.get(entry.blocks)
            if kind is None:
                return None
            return cls(DType.U8, entry.blocks, entry.spec.nbytes // kind.nbytes * ELEMENTS)
        return cls(entry.spec.dtype, None, entry.spec.elements) if _castable(entry) else None

    @property
    def likely(self) -> float:
        """Share of equal high bytes from which on two samples are of one tensor."""
        return LIKELY if self.block is None else LIKELY_BLOCKS

    def made_of(self, dtype: DType) -> bool:
        """Whether elements of a type become such a tensor."""
        return dtype is not self.dtype if self.block is None else dtype in QUANTISED

    def entry(self, number: int, pair: TensorEntry) -> Prediction:
        """The recipe from a tensor of a base."""
        if self.block is None:
            return CastEntry(number, pair.offset, pair.spec.dtype)
        return QuantiseEntry(number, pair.offset, pair.spec.dtype, self.block)

    def sample(self, data: Content, entry: TensorEntry) -> Bytes:
        """A sample of such a tensor, [n, bytes an element]."""
        if self.block is None:
            return sample(data, entry)
        blocks = data[entry.offset : entry.end].reshape(-1, QUANTISERS[self.block].nbytes)
        return np.ascontiguousarray(blocks[:: self.step]).reshape(-1, 1)

    def converted(self, base: Content, entry: TensorEntry) -> Bytes:
        """The same sample of what a base's tensor becomes."""
        dtype = entry.spec.dtype
        if self.block is None:
            elements = sample(base, entry)
            words = cast_words(dtype, self.dtype, elements.reshape(-1))
            return words.view(np.uint8).reshape(len(elements), self.dtype.size)
        groups = base[entry.offset : entry.end].reshape(-1, ELEMENTS * dtype.size)
        some = np.ascontiguousarray(groups[:: self.step]).reshape(-1)
        return quantised(self.block, dtype, some).reshape(-1, 1)

    @property
    def step(self) -> int:
        """Blocks from one of the sample to the next; odd, lest they fall into one column."""
        return self.count // SAMPLES | 1


def _castable(entry: TensorEntry) -> bool:
    """Whether a tensor is one of floats that are rounded to other types."""
    return entry.spec.dtype in CASTED


def conversions(
    bases: Sequence[tuple[Content, ModelFile]], target: Content, tensors: Sequence[TensorEntry]
) -> list[tuple[Prediction, ...]]:
    """For each target tensor, what tensors of other types predict it.

    Args:
        bases: the bytes of each base, borrowed, and its layout.
        target: the whole target, borrowed.
        tensors: tensors of the target.
    """
    found: list[tuple[Prediction, ...]] = [()] * len(tensors)
    wanted: dict[Wanted, list[int]] = defaultdict(list)
    for i, entry in enumerate(tensors):
        kind = Wanted.of(entry)
        if kind is not None:
            wanted[kind].append(i)
    for number, (base, file) in enumerate(bases):
        for kind, entries in _convertible(wanted, file.tensors):
            candidates = Candidates(entries, partial(kind.converted, base), kind.likely)
            for i in wanted[kind]:
                pair = candidates.nearest(tensors[i], partial(kind.sample, target))
                if pair is not None:
                    found[i] += (kind.entry(number, pair),)
    return found


def _convertible(
    wanted: Iterable[Wanted], tensors: Sequence[TensorEntry]
) -> Iterator[tuple[Wanted, list[TensorEntry]]]:
    """The tensors of a base that each of the wanted may be made of, where there are any."""
    by_count: dict[int, list[TensorEntry]] = defaultdict(list)
    for entry in filter(_castable, tensors):
        by_count[entry.spec.elements].append(entry)
    for kind in wanted:
        entries = [one for one in by_count.get(kind.count, ()) if kind.made_of(one.spec.dtype)]
        if entries:
            yield kind, entries
