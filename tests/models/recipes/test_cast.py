"""Tensors that are those of a base in another float type: casts as the specification has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InvalidPatch, SapwoodError, UnsupportedPatch
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import CastEntry
from sapwood.prediction.casting import cast_words
from sapwood.tensors import DType
from support.model_files import safetensors_file, weights
from support.recipe_patches import (
    applied,
    predictions,
    recipe_parts,
    retyped,
    round_trip,
    with_prediction,
)
from support.reference_casting import cast_word
from support.strategies import nasty_words, numpy_type, word_type

TYPES = (DType.BF16, DType.F16, DType.F32, DType.F64)
PAIRS = [(source, target) for source in TYPES for target in TYPES if source is not target]
FRONT = 2500  # bytes; a front of a few tensors is shorter


@st.composite
def words(draw: st.DrawFn, source: DType, target: DType) -> list[int]:
    """Words of a type: any, nasty ones, and those next to where rounding to the other turns."""
    width = 8 * source.size
    spare = max(1, source.mantissa - target.mantissa)
    halves = st.builds(
        lambda top, step: (top << spare | 1 << spare - 1) + step & (1 << width) - 1,
        st.integers(0, (1 << width - spare) - 1),
        st.integers(-1, 1),
    )
    one = st.integers(0, (1 << width) - 1) | st.sampled_from(nasty_words(source).tolist()) | halves
    return draw(st.lists(one, min_size=1, max_size=40))


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(data=st.data())
def test_a_cast_rounds_once_to_the_nearest(
    source: DType, target: DType, data: st.DataObject
) -> None:
    given_words = data.draw(words(source, target))
    elements = np.array(given_words, word_type(source)).view(np.uint8)
    found = cast_words(source, target, elements).tolist()
    assert found == [cast_word(source, target, word) for word in given_words]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_cast_is_read_from_its_place_chunk_by_chunk(source: DType, target: DType) -> None:
    drawn = np.random.default_rng(1).bytes(77 * source.size)
    base = b"not me" + drawn + b"nor me"
    cast = cast_words(source, target, np.frombuffer(drawn, np.uint8)).tobytes()
    prediction = {"kind": "cast", "base": 0, "offset": 6, "from": source.label}
    parts = recipe_parts([base], cast, target, prediction, chunk=10)
    assert applied([base], parts.write()) == cast


def two_layers(dtype: DType) -> dict[str, npt.NDArray[Any]]:
    """Weights of f64 numbers, rounded to a type."""
    return {
        name: weights(seed, (64, 96), DType.F64).astype(numpy_type(dtype))
        for seed, name in enumerate(("a.weight", "b.weight"))
    }


@pytest.mark.parametrize(
    ("source", "target"),
    [(DType.F32, DType.BF16), (DType.F32, DType.F16), (DType.F64, DType.F16)],
)
def test_a_model_in_a_smaller_type_takes_next_to_nothing(source: DType, target: DType) -> None:
    wide = two_layers(source)
    narrow = {name: one.astype(numpy_type(target)) for name, one in wide.items()}
    patch = round_trip([safetensors_file(wide)], safetensors_file(narrow))
    assert len(patch) < FRONT
    assert all(isinstance(one, CastEntry) for one in predictions(patch).values())


@pytest.mark.parametrize(
    ("source", "target"), [(DType.BF16, DType.F32), (DType.F16, DType.F32), (DType.F32, DType.F64)]
)
def test_a_model_in_a_larger_type_takes_next_to_nothing(source: DType, target: DType) -> None:
    narrow = two_layers(source)
    wide = {name: one.astype(numpy_type(target)) for name, one in narrow.items()}
    assert len(round_trip([safetensors_file(narrow)], safetensors_file(wide))) < FRONT


def test_tensors_are_found_by_content_where_names_differ() -> None:
    wide = two_layers(DType.F32)
    bf16 = numpy_type(DType.BF16)
    narrow = {f"blk.{i}": one.astype(bf16) for i, one in enumerate(reversed(wide.values()))}
    patch = round_trip([safetensors_file(wide)], safetensors_file(narrow))
    assert len(patch) < FRONT
    places = [one.offset for one in predictions(patch).values()]
    assert places == sorted(places, reverse=True)


def test_a_fine_tune_in_a_smaller_type_is_a_residual_of_the_cast() -> None:
    wide = weights(1, (256, 256), DType.F32)
    step = weights(2, (256, 256), DType.F32) * 0.002
    bf16 = numpy_type(DType.BF16)
    base = safetensors_file({"w": wide})
    target = safetensors_file({"w": (wide + step).astype(bf16)})
    alone = len(safetensors_file({"w": wide[:1, :1]})) + wide.size * 10 // 8
    assert len(round_trip([base], target)) < 0.3 * alone


def test_a_cast_of_other_weights_is_not_used() -> None:
    base = safetensors_file({"w": weights(1, (128, 128), DType.F32)})
    target = safetensors_file({"w": weights(9, (128, 128), DType.BF16)})
    assert predictions(round_trip([base], target)) == {"w": None}


def test_a_tensor_of_the_same_type_is_preferred_where_it_is_equal() -> None:
    wide = weights(1, (64, 64), DType.F32)
    bf16 = numpy_type(DType.BF16)
    base = safetensors_file({"w": wide, "kept": wide.astype(bf16)})
    target = safetensors_file({"kept": wide.astype(bf16)})
    (entry,) = predictions(round_trip([base], target)).values()
    assert not isinstance(entry, CastEntry)


def honest() -> tuple[bytes, Any]:
    """A base and the parts of a patch of a cast of 8 elements of it."""
    base = np.arange(8, dtype="<f4").tobytes()
    target = cast_words(DType.F32, DType.BF16, np.frombuffer(base, np.uint8)).tobytes()
    prediction = {"kind": "cast", "base": 0, "offset": 0, "from": "f32"}
    return base, recipe_parts([base], target, DType.BF16, prediction)


HOSTILE: dict[str, tuple[Callable[[Any], None], type[SapwoodError]]] = {
    "past the end of the base": (with_prediction(offset=1), InvalidPatch),
    "from 2^62": (with_prediction(offset=2**62), InvalidPatch),
    "from before the base": (with_prediction(offset=-1), InvalidPatch),
    "of more than the base has": (with_prediction(**{"from": "f64"}), InvalidPatch),
    "from its own type": (with_prediction(**{"from": "bf16"}), InvalidPatch),
    "from integers": (with_prediction(**{"from": "u32"}), InvalidPatch),
    "from a type of 8 bits": (with_prediction(**{"from": "f8_e4m3"}), InvalidPatch),
    "from an unknown type": (with_prediction(**{"from": "f12"}), UnsupportedPatch),
    "from a number": (with_prediction(**{"from": 2}), InvalidPatch),
    "from another base": (with_prediction(base=1), UnsupportedPatch),
    "with another field": (with_prediction(rounding="down"), UnsupportedPatch),
    "to integers": (retyped("u16", 8), InvalidPatch),
    "to bytes": (retyped("bytes", 16), InvalidPatch),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_a_hostile_cast_is_refused(about: str) -> None:
    base, parts = honest()
    change, error = HOSTILE[about]
    change(parts)
    with pytest.raises(error):
        applied([base], parts.write())


def test_the_honest_cast_is_applied() -> None:
    base, parts = honest()
    assert (
        applied([base], parts.write())
        == cast_words(DType.F32, DType.BF16, np.frombuffer(base, np.uint8)).tobytes()
    )


def test_a_tensors_patch_has_no_casts() -> None:
    base = np.arange(8, dtype="<f2").tobytes()
    target = cast_words(DType.F16, DType.BF16, np.frombuffer(base, np.uint8)).tobytes()
    prediction = {"kind": "cast", "base": 0, "offset": 0, "from": "f16"}
    parts = recipe_parts([base], target, DType.BF16, prediction)
    parts.header.update(kind="tensor", dtype="bf16", shape=[8])
    parts.segment["name"] = ""
    with pytest.raises(InvalidPatch, match="another type"):
        open_patch(np.frombuffer(parts.write(), np.uint8))
