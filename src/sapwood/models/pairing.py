"""Which tensor of the base predicts which tensor of the target: pure.

By name first. Where the name changed, by content: a tensor of the same element
type and count whose values agree in their high bytes far more often than chance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from sapwood.codec.chunk import Bytes
from sapwood.modelfile import TensorEntry
from sapwood.tensors import DType

SAMPLES = 2048  # elements that are compared
MOST_CANDIDATES = 256  # tensors of one type and size that are compared with one
LIKELY = 0.8  # share of equal high bytes; unrelated weights agree in about 0.3


def pair_tensors(
    base: Bytes, base_tensors: Sequence[TensorEntry], target: Bytes, tensors: Sequence[TensorEntry]
) -> list[TensorEntry | None]:
    """For each target tensor, the base tensor that predicts it, or None.

    The tensors of a pair have the same element type and as many elements; shapes may
    differ. A base tensor may predict several.
    """
    by_name = {entry.name: entry for entry in base_tensors}
    alike: dict[tuple[DType, int], list[TensorEntry]] = defaultdict(list)
    for entry in base_tensors:
        if len(alike[key_of(entry)]) < MOST_CANDIDATES:
            alike[key_of(entry)].append(entry)
    pairs: list[TensorEntry | None] = []
    for entry in tensors:
        namesake = by_name.get(entry.name)
        if namesake is not None and key_of(namesake) != key_of(entry):
            namesake = None
        if namesake is None or likeness(base, namesake, target, entry) < LIKELY:
            # Renamed, or every name moved on by one: a layer was put in.
            namesake = most_alike(base, alike[key_of(entry)], target, entry) or namesake
        pairs.append(namesake)
    return pairs


def key_of(entry: TensorEntry) -> tuple[DType, int]:
    """What two tensors must share to be a pair."""
    return entry.spec.dtype, entry.spec.elements


def most_alike(
    base: Bytes, candidates: Sequence[TensorEntry], target: Bytes, entry: TensorEntry
) -> TensorEntry | None:
    """The candidate whose sampled high bytes agree most often, if that is no chance."""
    shares = [(likeness(base, candidate, target, entry), candidate) for candidate in candidates]
    best = max(shares, key=lambda one: one[0], default=None)
    return best[1] if best is not None and best[0] >= LIKELY else None


def likeness(base: Bytes, old: TensorEntry, target: Bytes, new: TensorEntry) -> float:
    """The share of sampled elements whose high bytes agree; 1 where there are none."""
    if new.spec.elements == 0:
        return 1.0
    return float(np.mean(high_bytes(base, old) == high_bytes(target, new)))


def high_bytes(data: Bytes, entry: TensorEntry) -> Bytes:
    """The most significant bytes of evenly spread elements."""
    size = entry.spec.dtype.size
    elements = data[entry.offset : entry.end].reshape(-1, size)
    return elements[:: max(1, len(elements) // SAMPLES), size - 1]
