"""Tensors that are a base's, quantised: blocks as upstream makes them, across file formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InvalidPatch, SapwoodError, UnsupportedPatch
from sapwood.patch.format.predictions import QuantiseEntry
from sapwood.prediction.requantising import quantised
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
from support.reference_requantised import BYTES
from support.requantised_files import blocks_of, gguf_file
from support.strategies import nasty_words, numpy_type, word_type

KINDS = tuple(BYTES)
SOURCES = (DType.BF16, DType.F16, DType.F32)
FRONT = 2500  # bytes; a front of a few tensors is shorter

Array = npt.NDArray[Any]


@st.composite
def elements(draw: st.DrawFn, source: DType) -> bytes:
    """Blocks of weights of one size, of few numbers, of any patterns."""
    seed = draw(st.integers(0, 2**32 - 1))
    count = 32 * draw(st.integers(1, 6))
    drawn = np.random.default_rng(seed).standard_normal(count)
    size = draw(st.sampled_from([0.0, 1e-44, 1e-40, 1e-37, 1e-9, 0.02, 1.0, 1e4, 1e38]))
    if draw(st.booleans()):
        drawn = np.round(2 * drawn) / 2  # ties
    with np.errstate(all="ignore"):
        made = (drawn * size).astype(numpy_type(source)).view(word_type(source))
    nasty = nasty_words(source)
    for place in draw(st.lists(st.integers(0, count - 1), max_size=3)):
        made[place] = nasty[draw(st.integers(0, len(nasty) - 1))]
    return made.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_blocks_are_those_of_the_definition(kind: str, source: DType, data: st.DataObject) -> None:
    given_bytes = data.draw(elements(source))
    found = quantised(kind, source, np.frombuffer(given_bytes, np.uint8)).tobytes()
    assert found == blocks_of(kind, source, given_bytes)


def test_halves_go_away_from_zero() -> None:
    x = np.zeros(32, np.float32)
    x[:5] = [127, 0.5, 1.5, -0.5, -2.5]
    found = quantised("q8_0", DType.F32, x.view(np.uint8))[0, 2:].view(np.int8)
    assert found[:5].tolist() == [127, 1, 2, -1, -3]
    x[1] = np.nextafter(np.float32(0.5), np.float32(0))  # which 0.5 more would round up
    assert quantised("q8_0", DType.F32, x.view(np.uint8))[0, 3] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 7, 34, 18 * 34, 5000])
def test_chunks_may_end_anywhere_in_a_block(kind: str, chunk: int) -> None:
    drawn = weights(3, (40, 32), DType.F16).tobytes()
    base = b"not me" + drawn
    blocks = blocks_of(kind, DType.F16, drawn)
    prediction = {"kind": "quantise", "type": kind, "base": 0, "offset": 6, "from": "f16"}
    parts = recipe_parts([base], blocks, DType.U8, prediction, chunk=chunk)
    assert applied([base], parts.write()) == blocks


def layers(dtype: DType = DType.F32) -> dict[str, Array]:
    """Some layers of a model, of weights that a type holds."""
    return {
        f"model.layers.{i}.mlp.{name}.weight": weights(7 * i + len(name), (64, 128), dtype)
        for i in range(3)
        for name in ("up_proj", "gate_proj", "down")
    }


def requantised(model: Mapping[str, Array], kind: str) -> bytes:
    """The GGUF file of a model, under other names."""
    made = {}
    for i, one in enumerate(model.values()):
        source = DType.F32 if one.dtype == np.float32 else DType.F16
        made[f"blk.{i}.weight"] = kind, one.shape, blocks_of(kind, source, one.tobytes())
    return gguf_file(made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [DType.F16, DType.F32])
def test_a_quantised_file_takes_next_to_nothing_from_a_base_of_another_format(
    kind: str, dtype: DType
) -> None:
    model = layers(dtype)
    patch = round_trip([safetensors_file(model)], requantised(model, kind))
    assert len(patch) < FRONT
    found = predictions(patch).values()
    assert all(isinstance(one, QuantiseEntry) and one.block == kind for one in found)


def test_a_fine_tune_is_a_residual_of_the_requantised_base() -> None:
    model = layers()
    rng = np.random.default_rng(3)
    tuned = {
        name: one + np.float32(1e-4) * rng.standard_normal(one.shape, np.float32)
        for name, one in model.items()
    }
    target = requantised(tuned, "q8_0")
    patch = round_trip([safetensors_file(model)], target)
    assert all(isinstance(one, QuantiseEntry) for one in predictions(patch).values())
    assert len(patch) < 0.6 * len(target)


def test_weights_of_another_model_are_not_quantised() -> None:
    target = requantised({"w": weights(99, (256, 128), DType.F32)}, "q4_0")
    patch = round_trip([safetensors_file({"w": weights(1, (256, 128), DType.F32)})], target)
    assert not any(isinstance(one, QuantiseEntry) for one in predictions(patch).values())


def test_an_older_quantised_file_is_preferred_where_it_is_equal() -> None:
    model = layers()
    old = requantised(model, "q8_0")
    both = [safetensors_file(model), old]
    patch = round_trip(both, old)
    assert not any(isinstance(one, QuantiseEntry) for one in predictions(patch).values())


def test_blocks_with_infinities_come_back() -> None:
    model = layers(DType.F16)
    for one in model.values():
        one[3, 5], one[9, 9] = np.inf, np.nan
    target = bytearray(requantised(model, "q8_0"))
    target[-40:-20] = bytes(range(20))
    round_trip([safetensors_file(model)], bytes(target))


def honest() -> tuple[bytes, Any]:
    """A base and the parts of a patch of two blocks of it."""
    base = weights(1, (64,), DType.F32).tobytes()
    prediction = {"kind": "quantise", "type": "q8_0", "base": 0, "offset": 0, "from": "f32"}
    return base, recipe_parts([base], blocks_of("q8_0", DType.F32, base), DType.U8, prediction)


HOSTILE: dict[str, tuple[Callable[[Any], None], type[SapwoodError]]] = {
    "past the end of the base": (with_prediction(offset=1), InvalidPatch),
    "from 2^62": (with_prediction(offset=2**62), InvalidPatch),
    "from f64": (with_prediction(**{"from": "f64"}), InvalidPatch),
    "from integers": (with_prediction(**{"from": "u8"}), InvalidPatch),
    "from an unknown type": (with_prediction(**{"from": "f12"}), UnsupportedPatch),
    "from another base": (with_prediction(base=1), UnsupportedPatch),
    "to an unknown type": (with_prediction(type="q9_9"), UnsupportedPatch),
    "to Q8_0 in capitals": (with_prediction(type="Q8_0"), UnsupportedPatch),
    "to a type without a name": (with_prediction(type=8), InvalidPatch),
    "to a part of a block": (with_prediction(type="q4_0"), InvalidPatch),
    "to bytes": (retyped("bytes", 68), InvalidPatch),
    "to f16": (retyped("f16", 34), InvalidPatch),
    "with another field": (with_prediction(rounding="down"), UnsupportedPatch),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_hostile_blocks_are_refused(about: str) -> None:
    base, parts = honest()
    change, error = HOSTILE[about]
    change(parts)
    with pytest.raises(error):
        applied([base], parts.write())


def test_the_honest_blocks_are_applied() -> None:
    base, parts = honest()
    assert applied([base], parts.write()) == blocks_of("q8_0", DType.F32, base)


def test_no_blocks_of_no_elements() -> None:
    prediction = {"kind": "quantise", "type": "q8_0", "base": 0, "offset": 3, "from": "f32"}
    parts = recipe_parts([b"any"], b"", DType.U8, prediction)
    assert applied([b"any"], parts.write()) == b""
