"""What may predict each tensor of a target: tensors of the bases, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.content.content import Content
from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.models.making.converting import conversions
from sapwood.models.making.merging import UNKNOWN, Config, merges
from sapwood.models.making.pairing import pair_tensors
from sapwood.patch.format.predictions import BaseRange, Prediction


def predictions(
    bases: Sequence[tuple[Content, ModelFile]],
    configs: Sequence[Config] | None,
    target: Content,
    tensors: Sequence[TensorEntry],
) -> list[tuple[tuple[BaseRange, ...], tuple[Prediction, ...]]]:
    """For each target tensor its places in the bases, and the recipes that may make it.

    Args:
        bases: the content of each base, borrowed, and its layout.
        configs: the configurations of bases that are adapters, UNKNOWN for others; None where
            no base is one.
        target: the whole version, borrowed.
        tensors: tensors of the target.
    """
    pairs = [pair_tensors(data, file.tensors, target, tensors) for data, file in bases]
    places = [
        tuple(BaseRange(n, pair.offset) for n, pair in enumerate(found) if pair is not None)
        for found in zip(*pairs, strict=True)
    ]
    converted = conversions(bases, target, tensors)
    merged = merges(bases, configs or [UNKNOWN] * len(bases), target, tensors, places)
    return [(places[i], converted[i] + merged[i]) for i in range(len(tensors))]
