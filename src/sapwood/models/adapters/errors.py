"""What base plus adapter leaves of the target, measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sapwood.content.content import Bytes, Content
from sapwood.models.adapters.files import LoraModule
from sapwood.models.adapters.selection import LowRankUpdate
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.prediction.blend import Values, values
from sapwood.prediction.casting import cast_words
from sapwood.progress import Progress
from sapwood.tensors import DType

Doubles = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Remainder:
    """What base plus update, rounded to the weights' type, leaves of the target.

    Attributes:
        elements: how many were compared.
        wrong: how many of these come out as another number.
        left: sum of squares of target - (base + update), of finite elements.
        moved: sum of squares of target - base, likewise.
    """

    elements: int = 0
    wrong: int = 0
    left: float = 0.0
    moved: float = 0.0

    def __add__(self, other: Self) -> Remainder:
        """Both together."""
        return Remainder(
            self.elements + other.elements,
            self.wrong + other.wrong,
            self.left + other.left,
            self.moved + other.moved,
        )

    @property
    def share(self) -> float:
        """Norm of what is left, as a share of that of the change from base to target."""
        return math.sqrt(self.left / self.moved) if self.moved else 0.0

    def to_json(self) -> dict[str, Any]:
        """Elements, those that come out wrong, and the share of the change that is left."""
        return {
            "elements": self.elements,
            "elements_wrong": self.wrong,
            "share_left": self.share,
        }


def remainders(
    opened: OpenPatch,
    bases: Sequence[Content],
    updates: Sequence[LowRankUpdate],
    module_of: Callable[[LowRankUpdate], LoraModule | None],
    dtype: DType,
    threads: int,
    progress: Progress,
) -> dict[str, Remainder]:
    """Compares base plus adapter with the target that the patch makes.

    Args:
        opened: the patch, opened; its body was checked.
        bases: the contents of its bases, in its order, borrowed.
        updates: updates of tensors, in the order of the target.
        module_of: gives an update as the adapter has it; asked when its turn comes.
        dtype: the type of the adapter's elements.
        threads: how many threads decode at once.
        progress: is told how many bytes of the target are done.

    Returns:
        What is left, by the names of modules, in order. It takes the memory of one module and
        of the chunks that are decoded at once.

    Raises:
        InvalidPatch, TargetHashMismatch: as `decode_chunks`.
    """
    buffers = Buffers()
    found: dict[str, Remainder] = {}
    segments = tuple(one.segment for one in updates)
    waiting = iter(updates)
    current: MergedWeight | None = None
    for chunk in decode_chunks(
        opened, bases, buffers.place, threads, segments=segments, progress=progress
    ):
        while current is None or chunk.begin >= current.end:
            update = next(waiting)
            module = module_of(update)
            current = None if module is None else MergedWeight.of(update, module, bases, dtype)
        name = current.update.module
        before = found.get(name, Remainder())
        found[name] = before + current.remainder(chunk.begin, chunk.data)
        buffers.give_back(chunk.data)
    return found


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MergedWeight:
    """A module's weight with the adapter merged into it.

    Attributes:
        update: the update of the weight.
        base: the weight's bytes in the base, borrowed.
        left, right: lora_B of shape (rows, rank) and lora_A of (rank, columns), as the adapter
            has them, in float64.
    """

    update: LowRankUpdate
    base: Bytes
    left: Doubles
    right: Doubles

    @classmethod
    def of(
        cls, update: LowRankUpdate, module: LoraModule, bases: Sequence[Content], dtype: DType
    ) -> MergedWeight:
        """The weight of a module, whose elements in the adapter are of `dtype`."""
        term = update.term
        base = bases[term.base][term.offset : term.offset + update.segment.nbytes]
        left, right = (
            values(dtype, data).astype(np.float64) for data in (module.lora_b, module.lora_a)
        )
        rank = module.rank
        return cls(update, base, left.reshape(-1, rank), right.reshape(rank, -1))

    @property
    def end(self) -> int:
        """Where the weight ends in the target, bytes."""
        return self.update.segment.target_offset + self.update.segment.nbytes

    def remainder(self, begin: int, target: Bytes) -> Remainder:
        """Compares a stretch of the target.

        Args:
            begin: the offset of the stretch in the target, bytes.
            target: its bytes.
        """
        segment = self.update.segment
        dtype = segment.dtype
        first = (begin - segment.target_offset) // dtype.size
        last = first + len(target) // dtype.size
        base = values(dtype, self.base[first * dtype.size : last * dtype.size])
        wanted = values(dtype, target)
        with np.errstate(over="ignore", invalid="ignore"):
            product: Any = self.product(first, last).astype(base.dtype)
            if self.update.each:
                product = _rounded(dtype, product)
            made = _rounded(dtype, base + product)
            wrong = int(np.count_nonzero(made != wanted))
            left, moved = (wanted.astype(np.float64) - one for one in (made, base))
        finite = np.isfinite(left) & np.isfinite(moved)
        return Remainder(
            len(wanted), wrong, float((left[finite] ** 2).sum()), float((moved[finite] ** 2).sum())
        )

    def product(self, first: int, last: int) -> Doubles:
        """The update's elements [first, last), in C order."""
        columns = self.right.shape[1]
        begin, end = first // columns, -(-last // columns)
        found: Doubles = (self.left[begin:end] @ self.right).reshape(-1)
        return found[first - begin * columns : last - begin * columns]


def _rounded(dtype: DType, numbers: Values) -> Values:
    """Numbers of the working type that have those of the element type nearest to them.

    Args:
        dtype: bf16, f16 or f32.
        numbers: float32, or float64 for f32.
    """
    source = DType.F64 if dtype is DType.F32 else DType.F32
    words = cast_words(source, dtype, np.ascontiguousarray(numbers).view(np.uint8))
    return values(dtype, words.view(np.uint8))
