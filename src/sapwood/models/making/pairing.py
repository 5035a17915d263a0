"""Which tensor of the base predicts which tensor of the target: pure.

Candidates have the same element type and count. Of these, one that is the same,
as far as samples tell; else the one whose values agree best, by the high bytes that
training hardly changes. The namesake wins a tie, and when nothing is alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from sapwood.content.content import Bytes, Content
from sapwood.modelfile import TensorEntry
from sapwood.tensors import DType

SAMPLES = 2048  # elements that are compared
MOST_CANDIDATES = 256  # tensors of one type and size that are compared with one
LIKELY = 0.8  # share of equal high bytes; unrelated weights agree in about 0.3
MARGIN = 0.02  # by which another tensor's score must be above the namesake's

Key = tuple[DType, int, str | None]
Tops = npt.NDArray[np.uint16]  # the two most significant bytes of sampled elements


def pair_tensors(
    base: Content,
    base_tensors: Sequence[TensorEntry],
    target: Content,
    tensors: Sequence[TensorEntry],
) -> list[TensorEntry | None]:
    """For each target tensor, the base tensor that predicts it, or None.

    The tensors of a pair have the same element type and as many elements; shapes may
    differ. A base tensor may predict several.
    """
    alike: dict[Key, list[TensorEntry]] = defaultdict(list)
    for entry in base_tensors:
        alike[_key_of(entry)].append(entry)
    wanted: dict[Key, list[int]] = defaultdict(list)
    for i, entry in enumerate(tensors):
        wanted[_key_of(entry)].append(i)
    pairs: list[TensorEntry | None] = [None] * len(tensors)
    for key, places in wanted.items():
        if key in alike:
            candidates = Candidates(alike[key], partial(sample, base))
            for i in places:
                pairs[i] = candidates.nearest(tensors[i], partial(sample, target))
    return pairs


def _key_of(entry: TensorEntry) -> Key:
    """What two tensors must share to be a pair."""
    return entry.spec.dtype, entry.spec.elements, entry.blocks


def sample(data: Content, entry: TensorEntry) -> Bytes:
    """Evenly spread elements of a tensor, [n, bytes an element]."""
    elements = data[entry.offset : entry.end].reshape(-1, entry.spec.dtype.size)
    # An odd step, lest it fall into one column of a matrix.
    return np.ascontiguousarray(elements[:: len(elements) // SAMPLES | 1])


def _tops(elements: Bytes) -> Tops:
    """The most significant 16 bits of each element; of single bytes, the byte twice."""
    high = elements[:, -1].astype(np.uint16)
    below = elements[:, max(0, elements.shape[1] - 2)].astype(np.uint16)
    return np.bitwise_or(np.left_shift(high, 8), below, dtype=np.uint16)


class Candidates:
    """The tensors of a base that may predict a target's tensors of one element type and count."""

    def __init__(
        self,
        entries: Sequence[TensorEntry],
        read: Callable[[TensorEntry], Bytes],
        likely: float = LIKELY,
    ) -> None:
        """Reads only when there is something to compare.

        Args:
            entries: the tensors, at least one.
            read: gives a sample of what one of them predicts, [n, bytes an element].
            likely: share of equal high bytes from which on two samples are of one tensor.
        """
        self._read = read
        self._likely = likely
        self._entries = entries
        self._places = {entry.name: i for i, entry in enumerate(entries)}
        self._sampled: tuple[dict[bytes, int], Tops] | None = None

    def samples(self) -> tuple[dict[bytes, int], Tops]:
        """The first tensor of each content, and the tops of the tensors that are compared."""
        if self._sampled is None:
            contents: dict[bytes, int] = {}
            rows = []
            for i, entry in enumerate(self._entries):
                elements = self._read(entry)
                contents.setdefault(_content_key(elements), i)
                if i < MOST_CANDIDATES:
                    rows.append(_tops(elements))
            self._sampled = contents, np.stack(rows)
        return self._sampled

    def nearest(
        self, entry: TensorEntry, read: Callable[[TensorEntry], Bytes]
    ) -> TensorEntry | None:
        """The tensor that predicts one of the target best, or None.

        Args:
            entry: a tensor of the target.
            read: gives a sample of it, of the same elements as those of the candidates.
        """
        place = self._places.get(entry.name)
        if entry.spec.elements == 0 or (place is not None and len(self._entries) == 1):
            return self._entries[place or 0]
        elements = read(entry)
        namesake = None if place is None else self._read(self._entries[place])
        if namesake is None or not np.array_equal(namesake, elements):
            place = self._most_alike(elements, namesake, place)
        return None if place is None else self._entries[place]

    def _most_alike(self, elements: Bytes, namesake: Bytes | None, place: int | None) -> int | None:
        """The place of the tensor whose samples agree best with those of the target's.

        Args:
            elements: the sample of the target's tensor.
            namesake: the sample of the base's tensor of the same name, or None.
            place: the place of that tensor among the candidates, or None.
        """
        contents, rows = self.samples()
        same = contents.get(_content_key(elements))
        if same is not None:
            return same
        wanted = _tops(elements)
        likely, scores = _agreement(rows, wanted)
        scores = np.where(likely >= self._likely, scores, 0.0)
        best = int(np.argmax(scores))
        rival = MARGIN
        if namesake is not None:
            rival += float(_agreement(_tops(namesake)[None], wanted)[1][0])
        return best if scores[best] > rival else place


def _content_key(elements: Bytes) -> bytes:
    """What equal samples have in common, short."""
    return blake3(elements.data).digest(16)


def _agreement(rows: Tops, wanted: Tops) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How far the elements of each row agree with the wanted ones.

    Returns:
        The share of equal high bytes, and that plus the share of equal tops.
    """
    differ = rows ^ wanted
    high = np.mean(differ < 256, axis=1)
    return high, high + np.mean(differ == 0, axis=1)
