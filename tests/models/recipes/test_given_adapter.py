"""Weights into which an adapter was merged that the receiver has: nothing of the update travels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings, strategies as st

from sapwood import models
from sapwood.errors import InputError, InvalidPatch, LimitExceeded, SapwoodError, UnsupportedPatch
from sapwood.limits import Limits
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import BlendEntry, GivenFactors
from sapwood.prediction.given_factors import integer_factors
from sapwood.tensors import DType
from support.blend_patches import coefficient_hex
from support.model_files import safetensors_file, weights
from support.recipe_patches import (
    applied,
    predictions,
    recipe_parts,
    retyped,
    round_trip,
    with_prediction,
)
from support.reference_given import given as given_by_definition
from support.reference_prediction import predicted
from support.strategies import bit_patterns, numpy_type

TYPES = (DType.BF16, DType.F16, DType.F32)
TORCH = {DType.BF16: torch.bfloat16, DType.F16: torch.float16, DType.F32: torch.float32}

Array = npt.NDArray[Any]


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Array, Array, float]:
    """Factors of few numbers and many, of all sizes, what is not finite among them."""
    dtype = draw(st.sampled_from(TYPES))
    rows, columns = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    rank = draw(st.integers(1, min(rows, columns)))
    usual = draw(st.booleans())
    both = []
    for shape in ((rows, rank), (rank, columns)):
        if usual:
            rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
            size = draw(st.sampled_from([0.0, 1e-30, 1e-4, 0.02, 1.0, 1e3]))
            made = (rng.standard_normal(shape) * size).astype(numpy_type(dtype))
            made[:, 0] *= draw(st.sampled_from([0.0, 1.0, 1e-3]))
        else:
            words = draw(bit_patterns(dtype, shape[0] * shape[1]))
            made = words.view(numpy_type(dtype)).reshape(shape)
        with np.errstate(invalid="ignore"):
            both.append(made.astype(np.float64))
    usual_numbers = st.sampled_from([1.0, 2.0, -0.5, 1 / 3, 16 / math.sqrt(8)])
    coefficient = draw(usual_numbers | st.floats(allow_nan=False, allow_infinity=False))
    return both[0], both[1], coefficient


@given(matrices())
def test_the_integers_are_those_of_the_definition(case: tuple[Array, Array, float]) -> None:
    left, right, coefficient = case
    found = integer_factors(left, right, coefficient)
    expected = given_by_definition(left.tolist(), right.tolist(), coefficient)
    assert found.within_bounds()
    assert found.exponent == expected.exponent
    both = found.effective()
    assert np.array_equal(both[0], expected.left)
    assert np.array_equal(both[1], expected.right)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e-2, 1.0, 1e6]))
@settings(max_examples=30)
def test_the_product_is_near(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((40, 8)) * size, rng.standard_normal((8, 50))
    left[:, 3] *= 1e-5
    found = integer_factors(left, right, 0.3)
    product = (found.effective()[0].astype(np.float64) @ found.effective()[1].astype(np.float64))[
        0
    ] * 2.0**found.exponent
    wanted = 0.3 * (left @ right)
    assert np.abs(product - wanted).max() < 1e-6 * np.abs(wanted).max()


def adapter_entry(layout: str = "plain", coefficient: float = 0.5, **more: Any) -> dict[str, Any]:
    """The prediction of a tensor of 6 rows of 10 elements by a base and an adapter of rank 2."""
    sides = {"base": 1, "from": "f32"}
    return {
        "kind": "blend",
        "rounding": "once",
        "terms": [{"base": 0, "offset": 0, "coefficient": coefficient_hex(1.0)}],
        "factors": {
            "left": {**sides, "offset": 4},
            "right": {**sides, "offset": 52},
            "layout": layout,
            "rows": 6,
            "columns": 10,
            "rank": 2,
            "coefficient": coefficient_hex(coefficient),
            **more,
        },
    }


def honest(layout: str = "plain", each: bool = False) -> tuple[list[bytes], Any, bytes]:
    """Base and adapter, the parts of a patch of them, and its target."""
    base = weights(1, (60,), DType.BF16)
    left, right = weights(2, (6, 2), DType.F32), weights(3, (2, 10), DType.F32)
    factors = given_by_definition(left.tolist(), right.tolist(), 0.5)
    words, _ = predicted(DType.BF16, [base.view(np.uint16)], [1.0], factors, each=each)
    stored = (left.T, right.T) if layout == "transposed" else (left, right)
    adapter = b"head" + b"".join(np.ascontiguousarray(one).tobytes() for one in stored)
    bases = [base.tobytes(), adapter]
    prediction = adapter_entry(layout)
    prediction["rounding"] = "each" if each else "once"
    target = words.astype("<u2").tobytes()
    return bases, recipe_parts(bases, target, DType.BF16, prediction, chunk=7), target


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("layout", ["plain", "transposed"])
def test_the_honest_adapter_is_merged(layout: str, each: bool) -> None:
    bases, parts, target = honest(layout, each)
    assert applied(bases, parts.write()) == target
    assert applied(bases[::-1], parts.write()) == target


def test_an_adapter_that_is_not_finite_changes_nothing() -> None:
    bases, parts, _ = honest()
    signalling = b"\x01\x00\x80\x7f"
    bases[1] = bases[1][:8] + signalling + bases[1][12:]
    parts = recipe_parts(bases, bases[0], DType.BF16, parts.segment["prediction"])
    assert applied(bases, parts.write()) == bases[0]


def with_factors(**fields: Any) -> Callable[[Any], None]:
    return lambda parts: parts.segment["prediction"]["factors"].update(fields)


def with_left(**fields: Any) -> Callable[[Any], None]:
    return lambda parts: parts.segment["prediction"]["factors"]["left"].update(fields)


HOSTILE: dict[str, tuple[Callable[[Any], None], type[SapwoodError]]] = {
    "rank 0": (with_factors(rank=0), InvalidPatch),
    "a rank past the matrix": (with_factors(rank=7), InvalidPatch),
    "a rank of 2^63": (with_factors(rank=2**63 - 1), InvalidPatch),
    "rows and columns of another tensor": (with_factors(rows=10, columns=7), InvalidPatch),
    "rows and columns of 2^62": (with_factors(rows=2**62, columns=2**62), InvalidPatch),
    "no rows": (with_factors(rows=0), InvalidPatch),
    "a matrix past the end": (with_left(offset=100), InvalidPatch),
    "a matrix at 2^63": (with_left(offset=2**63 - 1), InvalidPatch),
    "a matrix before the base": (with_left(offset=-4), InvalidPatch),
    "a matrix of another base": (with_left(base=2), UnsupportedPatch),
    "a matrix of integers": (with_left(**{"from": "i32"}), InvalidPatch),
    "a matrix of f64": (with_left(**{"from": "f64"}), InvalidPatch),
    "a matrix of an unknown type": (with_left(**{"from": "f12"}), UnsupportedPatch),
    "a matrix that is a number": (with_factors(right=3), InvalidPatch),
    "no matrix": (with_factors(right=None), InvalidPatch),
    "a matrix with another field": (with_left(step=2), UnsupportedPatch),
    "factors with another field": (with_factors(alpha=2), UnsupportedPatch),
    "factors of both kinds": (with_factors(shifts=[0, 0, 0, 0]), UnsupportedPatch),
    "an unknown layout": (with_factors(layout="diagonal"), UnsupportedPatch),
    "an infinite coefficient": (with_factors(coefficient=coefficient_hex(math.inf)), InvalidPatch),
    "no coefficient": (with_factors(coefficient=coefficient_hex(math.nan)), InvalidPatch),
    "a tensor of integers": (retyped("i16", 60), InvalidPatch),
    "a tensor of f64": (retyped("f64", 60), InvalidPatch),
    "more rounding": (with_prediction(rounding="twice"), UnsupportedPatch),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_a_hostile_adapter_is_refused(about: str) -> None:
    bases, parts, _ = honest()
    change, error = HOSTILE[about]
    change(parts)
    with pytest.raises(error):
        applied(bases, parts.write())


def test_factors_beyond_what_the_reader_allows_are_refused() -> None:
    _, parts, _ = honest()
    patch = np.frombuffer(parts.write(), np.uint8)
    with pytest.raises(LimitExceeded):
        open_patch(patch, Limits(factors=127))
    open_patch(patch, Limits(factors=128))


def test_a_tensors_patch_has_no_adapters() -> None:
    _, parts, _ = honest()
    parts.header.update(kind="tensor", dtype="bf16", shape=[60])
    parts.segment["name"] = ""
    with pytest.raises(InvalidPatch, match="adapter"):
        open_patch(np.frombuffer(parts.write(), np.uint8))


class Merge:
    """A base, an adapter, and both merged by PyTorch as PEFT does it."""

    def __init__(
        self,
        dtype: DType,
        adapter: DType,
        how: str,
        *,
        scale: float = 2.0,
        infix: str = "",
        shape: tuple[int, int] = (256, 192),
        rank: int = 8,
    ) -> None:
        generator = torch.Generator().manual_seed(5)

        def drawn(size: float, *sides: int) -> torch.Tensor:
            return torch.randn(*sides, generator=generator) * size

        kind = TORCH[adapter]
        self.base: dict[str, torch.Tensor] = {}
        self.adapter: dict[str, torch.Tensor] = {}
        self.target: dict[str, torch.Tensor] = {}
        for i in range(2):
            module = f"model.layers.{i}.self_attn.q_proj"
            weight = drawn(0.02, *shape).to(TORCH[dtype])
            a = drawn(0.05, rank, shape[1]).to(kind)
            b = drawn(0.002, shape[0], rank).to(kind)
            wide = (b.float() @ a.float()) * scale
            if how == "wide":
                merged = (weight.float() + wide).to(weight.dtype)
            elif how == "rounded":
                merged = weight + wide.to(weight.dtype)
            else:
                merged = weight + ((b @ a) * scale).to(weight.dtype)
            self.base[f"{module}.weight"] = weight
            self.target[f"{module}.weight"] = merged
            self.adapter[f"base_model.model.{module}.lora_A{infix}.weight"] = a
            self.adapter[f"base_model.model.{module}.lora_B{infix}.weight"] = b
        self.count = 2 * math.prod(shape)

    def files(self) -> tuple[bytes, bytes, bytes]:
        """Base, adapter and target."""
        return saved(self.base), saved(self.adapter), saved(self.target)


def saved(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """A safetensors file."""
    kinds = {kind: numpy_type(dtype) for dtype, kind in TORCH.items()}
    words = {torch.bfloat16: torch.uint16, torch.float16: torch.uint16, torch.float32: torch.uint32}
    return safetensors_file(
        {
            name: one.contiguous().view(words[one.dtype]).numpy().view(kinds[one.dtype])
            for name, one in tensors.items()
        }
    )


def entries(patch: bytes) -> list[Any]:
    """The predictions, all of which must be merges of a given adapter."""
    found = list(predictions(patch).values())
    assert all(
        isinstance(one, BlendEntry) and isinstance(one.factors, GivenFactors) for one in found
    )
    return found


@pytest.mark.parametrize("how", ["wide", "rounded", "narrow"])
@pytest.mark.parametrize(
    ("dtype", "adapter"),
    [(DType.BF16, DType.F32), (DType.BF16, DType.BF16), (DType.F16, DType.F16)],
)
def test_a_merge_of_a_given_adapter_takes_next_to_nothing(
    dtype: DType, adapter: DType, how: str
) -> None:
    merge = Merge(dtype, adapter, how)
    base, given_adapter, target = merge.files()
    patch = round_trip([base, given_adapter], target)
    entries(patch)
    assert len(patch) < 2500
    found = round_trip([base], target)
    assert len(found) > 5 * len(patch)


def test_a_large_merge_takes_less_than_a_twentieth_of_a_bit_a_weight() -> None:
    merge = Merge(DType.BF16, DType.BF16, "rounded", shape=(1024, 512))
    base, adapter, target = merge.files()
    patch = round_trip([base, adapter], target, low_rank=False)
    assert 8 * len(patch) < 0.05 * merge.count


@pytest.mark.parametrize("scale", [1.0, 0.5, 24 / 8, 16 / math.sqrt(8), 0.3])
def test_the_coefficient_is_found_without_a_configuration(scale: float) -> None:
    merge = Merge(DType.BF16, DType.F32, "wide", scale=scale)
    base, adapter, target = merge.files()
    patch = round_trip([base, adapter], target)
    assert len(patch) < 2500
    found = {one.factors.coefficient for one in entries(patch)}
    assert found == {scale}


@pytest.mark.parametrize("settings_of", ["alpha", "pattern", "rslora"])
def test_the_configuration_beside_the_adapter_is_read(tmp_path: Path, settings_of: str) -> None:
    scale = 37.3 / (math.sqrt(8) if settings_of == "rslora" else 8)
    merge = Merge(DType.BF16, DType.F32, "wide", scale=scale)
    config: dict[str, Any] = {"lora_alpha": 37.3, "r": 8, "use_rslora": settings_of == "rslora"}
    if settings_of == "pattern":
        config |= {"lora_alpha": 1, "alpha_pattern": {"q_proj": 37.3}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    sources = [tmp_path / "base", tmp_path / "adapter_model.safetensors"]
    for path, data in zip((*sources, tmp_path / "target"), merge.files(), strict=True):
        path.write_bytes(data)
    models.create_patch(sources, tmp_path / "target", tmp_path / "patch")
    found = entries((tmp_path / "patch").read_bytes())
    assert {one.factors.coefficient for one in found} == {scale}
    models.apply_patch(sources, tmp_path / "patch", tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == (tmp_path / "target").read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lora_alpha": "x"}', '{"lora_alpha": 0}'])
def test_a_configuration_that_says_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    (tmp_path / "adapter_config.json").write_text(text)
    adapter = tmp_path / "adapter_model.safetensors"
    base, data, target = merge.files()
    adapter.write_bytes(data)
    models.create_patch([base, adapter], target, tmp_path / "patch")
    assert len(entries((tmp_path / "patch").read_bytes())) == 2


def test_names_may_have_the_adapters_name_in_them() -> None:
    base, adapter, target = Merge(DType.BF16, DType.F32, "wide", infix=".default").files()
    entries(round_trip([base, adapter], target))


def test_models_may_be_wrapped_once_more_or_less() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    for change in (lambda name: f"language.{name}", lambda name: name.removeprefix("model.")):
        base, target = (
            saved({change(name): one for name, one in of.items()})
            for of in (merge.base, merge.target)
        )
        entries(round_trip([base, saved(merge.adapter)], target))


@pytest.mark.parametrize("shape", [(96, 160), (128, 128)])
def test_layers_that_multiply_from_the_other_side_are_merged(shape: tuple[int, int]) -> None:
    merge = Merge(DType.BF16, DType.F32, "wide", shape=shape)
    base, target = (
        saved({name: one.T for name, one in of.items()}) for of in (merge.base, merge.target)
    )
    patch = round_trip([base, saved(merge.adapter)], target)
    assert all(one.factors.transposed for one in entries(patch))
    assert len(patch) < 2500


def test_embeddings_are_merged() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    base, target = (
        saved({name: one.T for name, one in of.items()}) for of in (merge.base, merge.target)
    )
    adapter = saved(
        {
            name.replace("lora_", "lora_embedding_").removesuffix(".weight"): one
            for name, one in merge.adapter.items()
        }
    )
    entries(round_trip([base, adapter], target))


def test_convolutions_are_merged() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide", shape=(64, 9 * 16))
    base, target = (
        saved({name: one.reshape(64, 16, 3, 3) for name, one in of.items()})
        for of in (merge.base, merge.target)
    )
    adapter = saved(
        {
            name: one.reshape(8, 16, 3, 3) if "lora_A" in name else one.reshape(64, 8, 1, 1)
            for name, one in merge.adapter.items()
        }
    )
    entries(round_trip([base, adapter], target))


def test_training_after_the_merge_is_a_residual_of_it() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    base, adapter, _ = merge.files()
    generator = torch.Generator().manual_seed(9)
    target = saved(
        {
            name: (one.float() + 1e-5 * torch.randn(one.shape, generator=generator)).to(one.dtype)
            for name, one in merge.target.items()
        }
    )
    patch = round_trip([base, adapter], target, low_rank=False)
    entries(patch)
    assert len(patch) < 0.5 * len(round_trip([base], target, low_rank=False))


def test_an_adapter_that_was_not_merged_is_not_used() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    other = {name: one.flip(0) for name, one in merge.adapter.items()}
    patch = round_trip([saved(merge.base), saved(other)], saved(merge.base))
    assert not any(isinstance(one, BlendEntry) for one in predictions(patch).values())
    patch = round_trip([saved(merge.base), saved(other)], saved(merge.target), low_rank=False)
    assert not any(isinstance(one, BlendEntry) for one in predictions(patch).values())


def test_what_is_merged_from_a_given_adapter_is_not_extracted(tmp_path: Path) -> None:
    base, adapter, target = Merge(DType.BF16, DType.F32, "wide").files()
    patch = round_trip([base, adapter], target)
    with pytest.raises(InputError, match="adapter that there is already, base 2"):
        models.extract_adapter(patch, tmp_path / "adapter")


def test_tensors_are_loaded_one_by_one() -> None:
    merge = Merge(DType.BF16, DType.F32, "wide")
    base, adapter, target = merge.files()
    found = models.load_patched([adapter, base], round_trip([base, adapter], target))
    for name, one in merge.target.items():
        assert torch.equal(found.tensor(name, framework="torch"), one)


def test_the_adapter_may_be_given_as_its_folder(tmp_path: Path) -> None:
    base, adapter, target = Merge(DType.BF16, DType.F32, "wide", scale=37.3 / 8).files()
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 37.3, "r": 8}))
    (folder / "adapter_model.safetensors").write_bytes(adapter)
    for name, data in (("base", base), ("target", target)):
        (tmp_path / name).write_bytes(data)
    sources = [tmp_path / "base", folder]
    models.create_patch(sources, tmp_path / "target", tmp_path / "patch")
    found = entries((tmp_path / "patch").read_bytes())
    assert {one.factors.coefficient for one in found} == {37.3 / 8}
    models.apply_patch(sources, tmp_path / "patch", tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == target
