"""What the kernel's binding refuses before any element is touched."""

from __future__ import annotations

import numpy as np
import pytest

from sapwood import _kernel
from sapwood.tensors import DType
from support.payload_cases import UNIFORM, make_case, random_words, updated
from support.reference_tables import RESIDUAL, SPARSE, Tables, serialised_tables

CODE = DType.BF16.code
BASE = random_words(DType.BF16, 8, 1)
CASE = make_case(DType.BF16, RESIDUAL, BASE, updated(DType.BF16, BASE, 2), row_length=4, table=0)
TABLES = CASE.shared[0]
ELEMENTS = np.array(BASE, "<u2").view(np.uint8)
PAYLOAD = np.frombuffer(CASE.payload, np.uint8)
NO_LEVELS = np.empty(0, np.int16)


def decode(
    base: np.ndarray[tuple[int], np.dtype[np.uint8]],
    out: np.ndarray[tuple[int], np.dtype[np.uint8]],
    shared: list[_kernel.Tables],
    *,
    code: int = CODE,
    row_length: int = 4,
    path: int = 0,
) -> None:
    _kernel.decode_residual(code, PAYLOAD, base, out, row_length, shared, path)


def encode(levels: list[int], context: int, tables: _kernel.Tables, **changed: int) -> bytes:
    code, row_length = changed.get("code", CODE), changed.get("row_length", 4)
    given = np.array(levels, np.int16)
    return _kernel.encode_residual(code, ELEMENTS, ELEMENTS, row_length, context, given, tables, 0)


def test_what_fits_is_taken() -> None:
    out = ELEMENTS.copy()
    decode(out, out, [TABLES])
    assert out.view("<u2").tolist() == CASE.target


def test_buffers_that_do_not_fit_each_other() -> None:
    with pytest.raises(ValueError, match="length"):
        decode(ELEMENTS, np.empty(14, np.uint8), [TABLES])
    with pytest.raises(ValueError, match="length"):
        decode(ELEMENTS[:15], np.empty(15, np.uint8), [TABLES])
    memory = np.zeros(17, np.uint8)
    with pytest.raises(ValueError, match="overlaps"):
        decode(memory[1:], memory[:16], [TABLES])


def test_arrays_are_never_copied_to_fit() -> None:
    for out in (np.empty(32, np.uint8)[::2], np.empty(16, np.int8), np.empty((4, 4), np.uint8)):
        with pytest.raises(TypeError):
            decode(ELEMENTS, out, [TABLES])  # type: ignore[arg-type]
    fixed = ELEMENTS.copy()
    fixed.flags.writeable = False
    with pytest.raises(TypeError):
        decode(ELEMENTS, fixed, [TABLES])
    decode(fixed, ELEMENTS.copy(), [TABLES])


def test_none_in_place_of_tables() -> None:
    with pytest.raises(ValueError, match="None"):
        decode(ELEMENTS, ELEMENTS.copy(), [None])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        encode([], 0, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [-1, 16, 1000])
def test_unknown_types(code: int) -> None:
    with pytest.raises(ValueError, match="type"):
        decode(ELEMENTS, ELEMENTS.copy(), [TABLES], code=code)


@pytest.mark.parametrize("path", [3, 256, 1 << 30])
def test_unknown_paths(path: int) -> None:
    with pytest.raises(ValueError, match="path"):
        decode(ELEMENTS, ELEMENTS.copy(), [TABLES], path=path)


def test_rows_of_no_elements() -> None:
    with pytest.raises(ValueError, match="rows"):
        decode(ELEMENTS, ELEMENTS.copy(), [TABLES], row_length=0)
    with pytest.raises(ValueError, match="rows"):
        encode([], 0, TABLES, row_length=0)


@pytest.mark.parametrize(
    ("levels", "context"),
    [([0], 0), ([], 1), ([0, 0], 1), ([0], 2), ([0] * 3, 2), ([8192], 1), ([0, -8192], 2), ([], 3)],
)
def test_levels_that_do_not_fit(levels: list[int], context: int) -> None:
    with pytest.raises(ValueError, match=r"level|context"):
        encode(levels, context, TABLES)


def test_tables_that_do_not_fit() -> None:
    sparse = make_case(DType.BF16, SPARSE, BASE, BASE).shared[0]
    with pytest.raises(ValueError, match="another coding"):
        encode([], 0, sparse)
    special = serialised_tables(Tables(RESIDUAL, UNIFORM, specials=((111, 9),)))
    narrow = _kernel.Tables.parse(np.frombuffer(special, np.uint8))
    encode([], 0, narrow)
    with pytest.raises(ValueError, match="in place of a bin"):
        encode([], 0, narrow, code=DType.F32.code)


def test_parts_of_tables_that_contradict_each_other() -> None:
    counts = np.zeros((33, 256), np.uint32)
    for coding, specials, starts, first in (
        (3, [], [], 0),
        (0, [(254, 1)], [], 0),
        (0, [(100, 1), (102, 1)], [], 0),
        (0, [(256, 1)], [], 0),
        (0, [(100, 1)] * 300, [], 0),
        (1, [(100, 1)], [], 0),
        (0, [], [], 1),
        (0, [], [0], 0),
        (2, [], [], 0),
        (2, [], list(range(9)), 0),
        (2, [], [3, 3], 0),
        (2, [], [32], 0),
    ):
        with pytest.raises(ValueError, match=r"tables|coding|token"):
            _kernel.Tables.build(coding, counts, specials, starts, first)


def test_changes_that_no_class_allows() -> None:
    counts = np.zeros((33, 256), np.uint32)
    tables = _kernel.Tables.build(SPARSE, counts, [], [5], 0)
    with pytest.raises(ValueError, match="class"):
        _kernel.encode_sparse(CODE, ELEMENTS, ELEMENTS[::-1].copy(), 4, 0, NO_LEVELS, tables, 0)


def test_values_of_integers() -> None:
    counts = np.zeros((33, 256), np.uint32)
    tables = _kernel.Tables.build(1, counts, [], [], 0)
    with pytest.raises(ValueError, match="exponent"):
        _kernel.encode_value(DType.I16.code, ELEMENTS, tables, 0)


def test_ranges_past_the_target() -> None:
    index = _kernel.MatchIndex(ELEMENTS, 16, 1 << 16)
    for begin, end in ((0, 17), (5, 4), (17, 17)):
        with pytest.raises(ValueError, match="range"):
            index.find(ELEMENTS, begin, end)
