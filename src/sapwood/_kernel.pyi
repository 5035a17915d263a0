"""The native kernel, typed: mirrors kernel/binding/module.cpp and the headers that it binds.

Arrays are taken as they are, never copied or converted: 1-D and C-contiguous, of the dtype
that is written here. Elements are little-endian bytes, aligned or not; `code` is that
of their `DType`. Functions that take arrays of any size drop the GIL and may run in
several threads at once. All raise ValueError where arguments do not fit each other, and
keep nothing that they were given unless they say so.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Levels: TypeAlias = npt.NDArray[np.int16]

class CorruptPayload(ValueError):
    """Bytes that no encoder wrote: damaged or hostile (element.hpp)."""

class Tables:
    """Frequencies of tokens by context, immutable (tables.hpp)."""

    @staticmethod
    def build(
        coding: int,
        counts: npt.NDArray[np.uint32],
        specials: Sequence[tuple[int, int]],
        class_starts: Sequence[int],
        first_exponent: int,
    ) -> Tables:
        """Tables with frequencies in proportion to counts.

        Args:
            coding: 0 residual, 1 value, 2 sparse.
            counts: (33, 256) by context and token; context 32 is that of row levels.
            specials: (token, residual) for residuals with a token of their own; tokens
                ascend by one. Coding 0 only.
            class_starts: the lowest context of each class, ascending; 1 to 8 for coding 2,
                else none.
            first_exponent: the exponent field that token 0 stands for; 0 but for coding 1.

        Raises:
            ValueError: the parts contradict each other.
        """

    @staticmethod
    def parse(data: _Bytes) -> Tables:
        """Tables from their serialised form.

        Raises:
            CorruptPayload: no tables, or not in their one serialised form.
        """

    def serialised(self) -> bytes:
        """The form that `parse` reads."""

    @property
    def coding(self) -> int:
        """The coding that these tables serve: 0 residual, 1 value, 2 sparse."""

    @property
    def frequencies(self) -> npt.NDArray[np.uint16]:
        """(33, 256) by context and token, in 4096ths; a new array. All 0 where unused."""

def encode_residual(
    code: int,
    base: _Bytes,
    target: _Bytes,
    row_length: int,
    context: int,
    levels: _Levels,
    tables: Tables,
    table: int,
    path: int = -1,
    edges: _Bytes | None = None,
) -> bytes:
    """The payload of the residuals of all elements (codec.hpp).

    Args:
        code: code of the type of the elements.
        base: bytes of the base, as many as of `target`.
        target: whole elements, fewer than 2^32.
        row_length: elements a row, at least 1; the last row may be shorter.
        context: what chooses an element's table: 0 nothing, 1 the base's exponent against
            one level, 2 against the level of its row, 3 that and its edge.
        levels: none, one or one a row (contexts 2 and 3): -8191..8191, or -32768 where
            nothing changes.
        tables: tables of coding 0, with special tokens past the bins of the type.
        table: their id among the patch's, or -1 to carry them in the payload.
        path: one of `paths()`, or -1 for the best; all give the same bytes.
        edges: with context 3 alone, one byte an element, 0..61: twice how near the
            prediction lies to a rounding boundary, in half octaves, and its side.
    """

def encode_sparse(
    code: int,
    base: _Bytes,
    target: _Bytes,
    row_length: int,
    context: int,
    levels: _Levels,
    tables: Tables,
    table: int,
    path: int = -1,
) -> bytes:
    """The payload of the changed elements alone; arguments as for `encode_residual`.

    Contexts 0 to 2 only.

    Raises:
        ValueError: also where an element changed whose context belongs to no class.
    """

def encode_value(code: int, target: _Bytes, tables: Tables, table: int, path: int = -1) -> bytes:
    """The payload of floating-point elements by themselves; `tables` of coding 1."""

def decode_residual(
    code: int,
    payload: _Bytes,
    base: _Bytes,
    out: _Bytes,
    row_length: int,
    shared: Sequence[Tables],
    path: int,
    edges: _Bytes | None = None,
) -> None:
    """Writes the elements of a payload of coding 0 to `out`.

    Args:
        code: code of the type of the elements.
        payload: any bytes.
        base: the base that was encoded against, as long as `out`.
        out: whole elements, fewer than 2^32. May be `base`; must not overlap it otherwise.
        row_length: elements a row, as the payload was encoded with.
        shared: the patch's tables, by id.
        path: one of `paths()`, or -1 for the best; all give the same bytes.
        edges: as it was encoded with; ignored by payloads of other contexts. Must not
            overlap `out`.

    Raises:
        CorruptPayload: also where the payload has context 3 and no edges are given. Nothing
            outside `out` was written, and what is in it is unspecified.
    """

def decode_sparse(
    code: int,
    payload: _Bytes,
    base: _Bytes,
    out: _Bytes,
    row_length: int,
    shared: Sequence[Tables],
    path: int,
) -> None:
    """As `decode_residual`, for a payload of coding 2."""

def decode_value(code: int, payload: _Bytes, out: _Bytes, shared: Sequence[Tables]) -> None:
    """As `decode_residual`, for a payload of coding 1."""

def row_levels(code: int, base: _Bytes, target: _Bytes, row_length: int, slack: int = 0) -> _Levels:
    """(rows,) how large the update of each row is, in half octaves (measure.hpp).

    -32768 where nothing changed. The level minus twice an element's exponent field is its
    measured context. A level within `slack` of the one before takes its place.
    """

def residual_counts(
    code: int,
    base: _Bytes,
    target: _Bytes,
    row_length: int,
    levels: _Levels,
    specials: Sequence[tuple[int, int]],
    path: int = -1,
    edges: _Bytes | None = None,
) -> npt.NDArray[np.uint32]:
    """(128, 256) counts of residuals by measured context and token (measure.hpp).

    Args:
        code: code of the type of the elements.
        base: bytes of the base, as many as of `target`.
        target: whole elements.
        row_length: elements a row.
        levels: from `row_levels`: one a row, or one for all. With edges, as a payload has
            them.
        specials: (token, residual) for residuals that are to have a token of their own.
        path: one of `paths()`, or -1 for the best; all give the same counts.
        edges: one byte an element. The contexts are then those of the format, 0..31.
    """

def exponent_counts(code: int, target: _Bytes) -> npt.NDArray[np.uint32]:
    """(fields,) counts of exponent fields, by field; (1,) for integers (measure.hpp)."""

def residuals(code: int, base: _Bytes, target: _Bytes) -> npt.NDArray[np.int64]:
    """(elements,) the residual of each element (measure.hpp)."""

class Factors:
    """The integer factors of a low-rank part, checked and packed, immutable (blend.hpp)."""

    def __init__(
        self, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], exponent: int
    ) -> None:
        """Copies both.

        Args:
            left: (matrices, rows, rank), C-contiguous; shifts of columns already applied.
            right: (matrices, rank, columns) likewise.
            exponent: exponent of the power of two that the products are in units of, -126..64.

        Raises:
            ValueError: shapes that do not fit each other, a rank of 0 or beyond rows or
                columns, an exponent out of range, an integer of -2^31, or a matrix whose
                sum over k of max |left[:, k]| * max |right[k, :]| reaches 2^53.
        """

    @property
    def matrices(self) -> int:
        """As in the shapes."""

    @property
    def rows(self) -> int:
        """As in the shapes."""

    @property
    def columns(self) -> int:
        """As in the shapes."""

    @property
    def rank(self) -> int:
        """As in the shapes."""

    @property
    def memory(self) -> int:
        """Bytes that it holds."""

def predict(
    code: int,
    terms: Sequence[_Bytes],
    coefficients: Sequence[float],
    factors: Factors | None,
    first: int,
    each: bool,
    out: _Bytes,
    edges: _Bytes | None = None,
    path: int = -1,
) -> None:
    """Writes round(sum of coefficients[t] * terms[t] + factors' product) to `out` (blend.hpp).

    Args:
        code: code of the type of the elements: bf16, f16 or f32.
        terms: elements of the bases, each as long as `out`.
        coefficients: by term; finite numbers of binary32, for f32 of binary64.
        factors: factors of the whole tensor, or None. There are terms, factors or both.
        first: index in the factors' tensor, in row-major order, of the first element of `out`.
        each: round to the element type after every step, not at the end alone.
        out: whole elements. May be a term; must not overlap it otherwise.
        edges: None, or a byte an element, which is written: 2 * h + 1 where the sum lies below
            the nearest value at which its rounding turns, else 2 * h; h in 0..30 grows as that
            value comes nearer. 1 for NaNs and infinities.
        path: one of `paths()`, or -1 for the best; all give the same bytes.
    """

class MatchIndex:
    """Finds long copies of a byte string in others (match.hpp)."""

    def __init__(self, base: _Bytes, block: int, max_bytes: int) -> None:
        """Indexes `base`, which must not change as long as the index lives; it is kept.

        Args:
            base: bytes of the base; of more than 1 TiB only the first.
            block: bytes, a power of two in 16..65536; doubled until the index fits.
            max_bytes: for the index.
        """

    def find(self, target: _Bytes, begin: int, end: int) -> npt.NDArray[np.uint64]:
        """(copies, 3) target offset, base offset and length of copies in [begin, end).

        In order of the target offset, without overlap. Bytes.
        """

    @property
    def memory(self) -> int:
        """Bytes that the index takes."""

def paths() -> list[int]:
    """What this processor runs: 0 scalar, 1 AVX2, 2 AVX-512 (paths.hpp)."""
