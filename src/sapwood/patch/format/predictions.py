"""What a segment is predicted from, as the index says it: `spec/patch-v1.md`, from Blends on.

Each kind of prediction is a type that knows what it reads of the bases, what it takes of
memory, and its words. A new kind is a type here and in `Prediction`: the type checker then
names each `match` that has to know it (`assert_never`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

from sapwood.prediction.casting import WORDS
from sapwood.prediction.intervals import TYPES
from sapwood.prediction.requantising import ELEMENTS, QUANTISERS
from sapwood.tensors import DType

BLENDED = frozenset(TYPES)  # element types of blend predictions
CASTED = frozenset(WORDS)  # element types that are rounded to one another
QUANTISED = BLENDED  # element types that are quantised to blocks

CONVERTING = 5 << 19  # bytes of numbers that elements of another type are rounded by


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A part of a base: its number, from 0, and `length` bytes from the byte `offset` on."""

    base: int
    offset: int
    length: int


@dataclasses.dataclass(frozen=True, slots=True)
class BaseRange:
    """The prediction of a segment: as many bytes of a base.

    Attributes:
        base: number of the base, from 0.
        offset: first byte there.
    """

    base: int
    offset: int

    converts: ClassVar[bool] = False  # whether elements of another type are read
    memory: ClassVar[int] = 0  # bytes that a chunk's prediction takes while it is computed
    payload_size: ClassVar[int] = 0  # bytes of the body that belong to it
    factor_numbers: ClassVar[int] = 0  # numbers of a low-rank update that are in memory

    def places(self, nbytes: int, _size: int) -> list[Place]:
        """The parts of bases that are read for a segment.

        Args:
            nbytes: bytes of the segment.
            _size: bytes of one of its elements.
        """
        return [Place(self.base, self.offset, nbytes)]

    def to_json(self) -> dict[str, Any]:
        """The prediction as JSON values for people and programs, not those of the index."""
        return _facts("base", [{"base": self.base, "coefficient": 1.0}])

    def words(self, bases: int) -> Iterator[str]:
        """The prediction for people; of a single base nothing is said.

        Args:
            bases: how many the patch has; they are counted from 1 here.
        """
        if bases > 1:
            yield f"base {self.base + 1}"


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A base's elements times a number, in a sum.

    Attributes:
        base: number of the base, from 0.
        offset: first byte of its elements there.
        coefficient: finite; a binary32 number where the elements have 16 bits.
    """

    base: int
    offset: int
    coefficient: float


@dataclasses.dataclass(frozen=True, slots=True)
class FactorsEntry:
    """What the index says of the factors of a tensor; see `prediction.factors.Factors`.

    Attributes:
        matrices, rows, columns: shape of the tensor's elements, in C order.
        rank: rank of each matrix.
        exponent: power of two that the products are multiplied with.
        shifts: shifts of the columns of the left factors, then of the rows of the right ones;
            `matrices * rank` each.
        row: numbers a row, as the payload's contexts see them.
        size: bytes of the payload.
    """

    matrices: int
    rows: int
    columns: int
    rank: int
    exponent: int
    shifts: tuple[int, ...]
    row: int
    size: int

    @property
    def numbers(self) -> int:
        """Integers in the payload."""
        return self.matrices * self.rank * (self.rows + self.columns)

    def to_json(self) -> dict[str, Any]:
        """Rank, the shape of the matrices, and the bytes in the patch."""
        shape = [self.matrices, self.rows, self.columns]
        return {"rank": self.rank, "matrices": shape, "factor_bytes": self.size}

    def words(self) -> str:
        """The update for people."""
        each = f" in each of {self.matrices} matrices" if self.matrices > 1 else ""
        return f"rank {self.rank}{each}"


@dataclasses.dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix of an adapter, in C order.

    Attributes:
        base: number of the base that it is in, from 0.
        offset: its first byte there.
        dtype: type of its elements.
    """

    base: int
    offset: int
    dtype: DType


@dataclasses.dataclass(frozen=True, slots=True)
class GivenFactors:
    """The factors of a tensor that are matrices of an adapter among the bases.

    Attributes:
        left: matrix of rows times rank numbers.
        right: matrix of rank times columns numbers.
        transposed: whether `left` lies as (rank, rows) and `right` as (columns, rank).
        rows, columns: shape of the tensor as a matrix.
        rank: rank of the adapter.
        coefficient: number that the product is multiplied with.
    """

    left: Matrix
    right: Matrix
    transposed: bool
    rows: int
    columns: int
    rank: int
    coefficient: float

    @property
    def numbers(self) -> int:
        """Numbers of both matrices."""
        return self.rank * (self.rows + self.columns)

    def places(self) -> list[Place]:
        """Where both matrices lie."""
        return [
            Place(one.base, one.offset, self.rank * side * one.dtype.size)
            for one, side in ((self.left, self.rows), (self.right, self.columns))
        ]

    def to_json(self) -> dict[str, Any]:
        """Rank, shape, and which base the adapter is; nothing of it is in the patch."""
        return {
            "rank": self.rank,
            "matrices": [1, self.rows, self.columns],
            "factor_bytes": 0,
            "adapter": {"base": self.left.base, "coefficient": self.coefficient},
        }

    def words(self) -> str:
        """The update for people."""
        return f"adapter r={self.rank} of base {self.left.base + 1} merged"


@dataclasses.dataclass(frozen=True, slots=True)
class BlendEntry:
    """The prediction of a segment: a sum of bases and a low-rank part, rounded.

    Attributes:
        terms: bases times numbers; may be empty where there are factors.
        each: whether every step is rounded to the element type, not just the sum.
        factors: the low-rank part, or None.
    """

    terms: tuple[Term, ...]
    each: bool
    factors: FactorsEntry | GivenFactors | None

    converts: ClassVar[bool] = False
    memory: ClassVar[int] = 0

    @property
    def payload_size(self) -> int:
        """Bytes of the factors in the body."""
        return self.factors.size if isinstance(self.factors, FactorsEntry) else 0

    @property
    def factor_numbers(self) -> int:
        """Numbers of the factors, which are in memory while the tensor is decoded."""
        return 0 if self.factors is None else self.factors.numbers

    @property
    def is_plain(self) -> bool:
        """Whether the sum is one base as it is."""
        return len(self.terms) == 1 and self.terms[0].coefficient == 1

    def places(self, nbytes: int, _size: int) -> list[Place]:
        """As `BaseRange.places`: of each term, and of an adapter's matrices."""
        return [Place(term.base, term.offset, nbytes) for term in self.terms] + self.given_places()

    def given_places(self) -> list[Place]:
        """Where the matrices of a given adapter lie; none where there is no such adapter."""
        return self.factors.places() if isinstance(self.factors, GivenFactors) else []

    def to_json(self) -> dict[str, Any]:
        """As `BaseRange.to_json`."""
        terms = [{"base": one.base, "coefficient": one.coefficient} for one in self.terms]
        facts = _facts("blend", terms, rounding="each" if self.each else "once")
        return facts if self.factors is None else {**facts, **self.factors.to_json()}

    def words(self, bases: int) -> Iterator[str]:
        """As `BaseRange.words`, such as '0.3 x base 1 + 0.7 x base 2' and 'rank 16'."""
        if bases > 1 or not self.is_plain:
            yield _sum_words(self.terms)
        if self.factors is not None:
            yield self.factors.words()
        if self.each:
            yield "each step rounded"


@dataclasses.dataclass(frozen=True, slots=True)
class _Converted:
    """Elements of a base of one type, which predict a segment of another.

    Attributes:
        base: number of the base, from 0.
        offset: first byte of the elements there.
        dtype: type of the elements, another than the segment's.
    """

    base: int
    offset: int
    dtype: DType

    converts: ClassVar[bool] = True
    memory: ClassVar[int] = CONVERTING
    payload_size: ClassVar[int] = 0
    factor_numbers: ClassVar[int] = 0


@dataclasses.dataclass(frozen=True, slots=True)
class CastEntry(_Converted):
    """The prediction of a segment: as many elements of a base, rounded to its type."""

    def places(self, nbytes: int, size: int) -> list[Place]:
        """As `BaseRange.places`: as many elements, in their own size."""
        return [Place(self.base, self.offset, nbytes // size * self.dtype.size)]

    def to_json(self) -> dict[str, Any]:
        """As `BaseRange.to_json`, with the type of the base's elements."""
        facts = _facts("cast", [{"base": self.base, "coefficient": 1.0}])
        return {**facts, "from": self.dtype.label}

    def words(self, bases: int) -> Iterator[str]:
        """As `BaseRange.words`."""
        yield f"cast from {self.dtype.label}{_of_base(self.base, bases)}"


@dataclasses.dataclass(frozen=True, slots=True)
class QuantiseEntry(_Converted):
    """The prediction of a segment of blocks: elements of a base, quantised to blocks of a type."""

    block: str

    def places(self, nbytes: int, _size: int) -> list[Place]:
        """As `BaseRange.places`: the elements of whole blocks."""
        blocks = nbytes // QUANTISERS[self.block].nbytes
        return [Place(self.base, self.offset, blocks * ELEMENTS * self.dtype.size)]

    def to_json(self) -> dict[str, Any]:
        """As `BaseRange.to_json`, with the type of the base's elements and that of the blocks."""
        facts = _facts("quantise", [{"base": self.base, "coefficient": 1.0}])
        return {**facts, "type": self.block, "from": self.dtype.label}

    def words(self, bases: int) -> Iterator[str]:
        """As `BaseRange.words`."""
        base = _of_base(self.base, bases)
        yield f"requantised to {self.block} from {self.dtype.label}{base}"


Prediction: TypeAlias = BaseRange | BlendEntry | CastEntry | QuantiseEntry


def _facts(kind: str, terms: list[dict[str, Any]], rounding: str | None = None) -> dict[str, Any]:
    """What all predictions tell as JSON values; those of a low-rank update stand for none."""
    none = {"rank": 0, "matrices": None, "factor_bytes": 0}
    return {"kind": kind, "terms": terms, "rounding": rounding, **none}


def _of_base(base: int, bases: int) -> str:
    return f" of base {base + 1}" if bases > 1 else ""


def _sum_words(terms: Sequence[Term]) -> str:
    """A sum of bases; those are counted from 1."""
    text = "" if terms else "no base"
    for term in terms:
        size = abs(term.coefficient)
        base = f"base {term.base + 1}" if size == 1 else f"{size:.4g} x base {term.base + 1}"
        if text:
            text += f" - {base}" if term.coefficient < 0 else f" + {base}"
        else:
            text = f"-{base}" if term.coefficient < 0 else base
    return text
