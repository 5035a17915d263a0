"""`diff` counts what changed exactly, and measures it whatever the values are."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood import models
from sapwood.errors import IoError
from sapwood.models import Measures, ModelDiff, TensorDiff
from sapwood.models.comparing.distances import PIECE, bits_of, steps_between, values_of
from sapwood.tensors.dtypes import DType
from support.model_files import layer, npy_file, safetensors_file, weights
from support.strategies import NUMPY_TYPES

TYPES = [dtype for dtype in NUMPY_TYPES if dtype not in {DType.BOOL, DType.BYTES}]


def only(found: ModelDiff) -> TensorDiff:
    (tensor,) = found.tensors
    return tensor


def measured(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Measures:
    """The measures of a file of one tensor."""
    found = only(models.diff(safetensors_file({"w": old}), safetensors_file({"w": new})))
    assert found.measures is not None
    return found.measures


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_model_does_not_differ_from_itself(dtype: DType) -> None:
    data = safetensors_file({"a": weights(1, (50, 40), dtype), "b": weights(2, (7,), dtype)})
    found = models.diff(data, bytes(bytearray(data)))
    assert found.equal
    assert found.changed_elements == 0
    assert found.relative in {0.0, None}
    for tensor in found.tensors:
        assert (tensor.status, tensor.amount, tensor.changed_elements) == ("unchanged", 0, 0)


@given(st.data())
def test_planted_changes_are_counted_exactly(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(TYPES))
    size = data.draw(st.sampled_from([1, 30, PIECE, 2 * PIECE + 5]))
    places = sorted(data.draw(st.sets(st.integers(0, size - 1), max_size=20)))
    old = weights(3, (size,), dtype)
    new = old.copy()
    bits = new.view(f"u{dtype.size}")
    bits[places] ^= bits.dtype.type(1)  # one step in any direction
    found = models.diff(safetensors_file({"w": old}), safetensors_file({"w": new}))
    tensor = only(found)
    assert tensor.changed_elements == found.changed_elements == len(places)
    assert tensor.status == ("changed" if places else "unchanged")
    assert tensor.measures is not None
    assert tensor.measures.incomparable == 0
    assert tensor.measures.largest_step == (1 if places else 0)
    assert tensor.measures.mean_step == pytest.approx(len(places) / size)
    change = np.sqrt(len(places) / size)  # of integers, which binary64 may not tell apart
    if dtype.family == "float":
        change = rms(new.astype(np.float64) - old.astype(np.float64))
    assert tensor.measures.rms_change == pytest.approx(change)
    assert tensor.measures.rms_base == pytest.approx(rms(old.astype(np.float64)))


def rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("dtype", [one for one in TYPES if one.size <= 2], ids=str)
def test_values_and_steps_are_those_of_the_type(dtype: DType) -> None:
    """Of all patterns: the neighbours in value are one step apart."""
    every = np.arange(1 << (8 * dtype.size), dtype=f"u{dtype.size}")
    values = values_of(dtype, every)
    with np.errstate(invalid="ignore"):
        expected = every.view(NUMPY_TYPES[dtype]).astype(np.float64)
    np.testing.assert_array_equal(values, expected)
    finite = every[np.isfinite(values)]
    inorder = finite[np.argsort(values_of(dtype, finite), kind="stable")]
    steps = steps_between(dtype, inorder[:-1], inorder[1:])
    ascending = values_of(dtype, inorder)
    assert (steps == (ascending[1:] != ascending[:-1])).all()  # the zeros are one place


@pytest.mark.parametrize(
    ("dtype", "one", "other", "steps"),
    [
        (DType.U64, 0, 2**64 - 1, 2**64 - 1),
        (DType.I64, -(2**63), 2**63 - 1, 2**64 - 1),
        (DType.I8, -128, 127, 255),
        (DType.F32, -0.0, 0.0, 0),
        (DType.F32, -1e-45, 1e-45, 2),
        (DType.F64, 1.0, 1.0 + 2**-52, 1),
    ],
)
def test_the_greatest_steps_do_not_wrap(dtype: DType, one: Any, other: Any, steps: int) -> None:
    ends = [np.array([value], NUMPY_TYPES[dtype]).view(np.uint8) for value in (one, other)]
    old, new = (bits_of(dtype, end) for end in ends)
    assert int(steps_between(dtype, old, new)[0]) == int(steps_between(dtype, new, old)[0]) == steps


def test_what_is_not_finite_is_counted_but_not_measured() -> None:
    old = np.array([np.nan, 1.0, np.inf, 3.0, 0.0], np.float32)
    new = np.array([np.nan, np.nan, 2.0, 4.0, -0.0], np.float32)
    found = only(models.diff(npy_file(old), npy_file(new)))
    assert found.changed_elements == 4
    assert found.measures is not None
    assert found.measures.incomparable == 2
    assert found.measures.rms_change == pytest.approx(math.sqrt(1 / 3))
    assert found.measures.rms_base == pytest.approx(math.sqrt(10 / 3))
    assert found.measures.largest_step == 1 << 22
    nothing = only(models.diff(npy_file(old[:1]), npy_file(old[1:2])))
    assert nothing.amount == 1.0


def test_values_at_the_ends_of_the_range_are_measured() -> None:
    small = np.full(9, 1e-300)
    assert measured(small, 2 * small).relative == pytest.approx(1)
    large = np.full(9, 1e300)
    assert measured(large, 1.5 * large).relative == pytest.approx(0.5)
    most = np.full(9, np.finfo(np.float64).max)
    assert measured(most, -most).relative == math.inf
    assert measured(np.zeros(3), np.ones(3)).relative == math.inf
    assert measured(np.zeros(3), np.negative(np.zeros(3))).relative == 0


def test_what_became_of_each_tensor() -> None:
    kept, moved, gone = (weights(i, (40, 50)) for i in (1, 2, 3))
    old = {"kept": kept, "old.name": moved, "gone": gone[:9], "cast": kept[0], "shape": gone[9]}
    new = {
        "kept": kept,
        "new.name": moved,
        "cast": kept[0].astype(np.float32),
        "shape": gone[9].reshape(5, 10),
        "extra": weights(5, (3, 3)),
        "empty": weights(6, (0, 4)),
    }
    found = models.diff(safetensors_file(old), safetensors_file(new))
    told = {tensor.name: (tensor.status, tensor.base_name) for tensor in found.tensors}
    assert told == {
        "kept": ("unchanged", "kept"),
        "new.name": ("renamed", "old.name"),
        "cast": ("cast", "cast"),
        "shape": ("changed", "shape"),
        "extra": ("added", None),
        "empty": ("added", None),
        "gone": ("removed", None),
    }
    assert [tensor.name for tensor in found.tensors][-1] == "gone"
    by_name = {tensor.name: tensor for tensor in found.tensors}
    assert by_name["new.name"].changed_elements == by_name["shape"].changed_elements == 0
    assert (by_name["cast"].base_dtype, by_name["cast"].dtype) == ("bf16", "f32")
    assert by_name["shape"].base_shape == (50,)
    assert found.changed_elements == 50 + 9
    assert found.elements == 2000 + 2000 + 50 + 50 + 9
    assert found.count("removed") == 1
    assert found.skeleton_changed


def test_metadata_alone() -> None:
    tensors = layer(1)
    found = models.diff(
        safetensors_file(tensors, {"step": "1"}), safetensors_file(tensors, {"step": "2"})
    )
    assert found.skeleton_changed
    assert not found.equal
    assert {tensor.status for tensor in found.tensors} == {"unchanged"}


def test_files_of_two_formats() -> None:
    array = weights(1, (30, 40), DType.F32)
    found = models.diff(npy_file(array), safetensors_file({"array": array, "more": array[:3]}))
    assert (found.base_format, found.target_format) == ("npy", "safetensors")
    assert [tensor.status for tensor in found.tensors] == ["unchanged", "added"]
    assert found.skeleton_changed


def test_files_without_tensors() -> None:
    assert models.diff(b"", b"").equal
    assert models.diff(b"some", b"some").equal
    assert not models.diff(b"some", b"same").equal
    assert not models.diff(b"some", b"something").equal
    assert models.diff(b"some", b"same").relative is None


def test_paths_bytes_and_files_are_the_same(tmp_path: Path) -> None:
    old, new = (safetensors_file(layer(i)) for i in (1, 2))
    (tmp_path / "a").write_bytes(old)
    found = models.diff(old, new)
    assert models.diff(tmp_path / "a", io.BytesIO(new)) == found
    with pytest.raises(IoError, match="none"):
        models.diff(old, tmp_path / "none")


def test_progress_ends_at_the_end() -> None:
    data = safetensors_file({"w": weights(1, (2 * PIECE + 3,)), "v": weights(2, (5,))})
    heard: list[tuple[int, int]] = []
    models.diff(data, data, progress=lambda done, total: heard.append((done, total)))
    size = 2 * (2 * PIECE + 8)
    assert heard == sorted(heard)
    assert heard[-1] == (size, size)
