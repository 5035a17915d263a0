"""The tensors of a patch's target without a file, one by one."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood import models
from sapwood.errors import (
    InputError,
    InvalidPatch,
    SignatureError,
    SourceHashMismatch,
    UnsupportedType,
)
from sapwood.modelfile import open_model
from sapwood.models import PatchedModel
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import BlendEntry
from sapwood.tensors import DType, view
from support.loaded_models import (
    BASE,
    MODEL,
    PATCH,
    TARGET,
    TUNED,
    UNCHANGED,
    bits,
    patch_of,
)
from support.model_files import Tensors, safetensors_file, weights
from support.patch_cases import pairs
from support.patch_writer import parts_of
from support.strategies import NUMPY_TYPES, dtypes


def names_in(patch: bytes) -> list[str]:
    segments = open_patch(np.frombuffer(patch, np.uint8)).front.segments
    return [one.name for one in segments if one.name]


def check(model: PatchedModel, wanted: Tensors) -> None:
    """Asserts that the model has these tensors, by both libraries."""
    assert list(model) == list(wanted)
    for name, array in wanted.items():
        found = model[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        tensor = model.tensor(name, framework="torch")
        assert view(tensor).spec == view(array).spec == model.spec(name)
        assert view(tensor).data.tobytes() == array.tobytes()


def test_every_tensor_comes_by_its_name() -> None:
    assert names_in(PATCH) == list(MODEL)
    model = models.load_patched(BASE, PATCH)
    check(model, TUNED)
    assert len(model) == len(TUNED)
    assert "embedding" in model
    assert "other" not in model
    assert model.get("other") is None
    assert [name for name, _ in model.items()] == list(model.keys())
    assert str(model.spec("embedding")) == "bf16[256, 64]"
    assert model != models.load_patched(BASE, PATCH)
    assert {model: 1}[model] == 1
    assert repr(model).startswith("<PatchedModel of 7 tensors")


def test_what_changed_has_memory_of_its_own_and_what_did_not_is_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(BASE)
    (tmp_path / "patch").write_bytes(PATCH)
    before = sorted(tmp_path.iterdir())
    model = models.load_patched(
        tmp_path / "base", tmp_path / "patch", receiving=models.Receiving(threads=2)
    )
    changed, same = model["embedding"], model[UNCHANGED]
    assert changed.flags.writeable
    assert not same.flags.writeable
    assert np.shares_memory(same, model[UNCHANGED])
    assert not np.shares_memory(changed, model["embedding"])
    own = model.tensor(UNCHANGED, framework="torch")
    own.zero_()  # has memory of its own
    del model
    gc.collect()
    assert same.tobytes() == TUNED[UNCHANGED].tobytes()
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_patched_as_bytes_has_its_tensors_too() -> None:
    target = {**MODEL, "embedding": MODEL["embedding"].copy()}
    target["embedding"][3, 4] += 1
    patch = patch_of(BASE, safetensors_file(target), by_tensors=False)
    assert names_in(patch) == []
    check(models.load_patched(BASE, patch), target)


def test_bases_come_in_any_order() -> None:
    rng = np.random.default_rng(11)
    first = rng.normal(0, 0.05, (64, 200)).astype(np.float16)
    second = (first + rng.normal(0, 1e-3, first.shape)).astype(np.float16)
    both = np.float32(0.3) * first.astype(np.float32) + np.float32(0.7) * second.astype(np.float32)
    a, b = (safetensors_file({"layer.weight": one}) for one in (first, second))
    wanted = {"layer.weight": both.astype(np.float16)}
    patch = patch_of([a, b], safetensors_file(wanted))
    for bases in ([a, b], [b, a], [b, BASE, a]):
        check(models.load_patched(bases, patch), wanted)
    with pytest.raises(SourceHashMismatch):
        models.load_patched(a, patch)


def test_a_merged_adapter_comes_back() -> None:
    rng = np.random.default_rng(1)
    base = weights(1, (512, 384), DType.BF16)
    update = rng.normal(0, 1, (512, 6)) @ rng.normal(0, 1, (6, 384))
    merged = (base.astype(np.float32) + update * (1e-3 / update.std())).astype(base.dtype)
    old, new = (safetensors_file({"q.weight": one}) for one in (base, merged))
    patch = patch_of(old, new)
    (segment,) = (s for s in open_patch(np.frombuffer(patch, np.uint8)).front.segments if s.name)
    assert isinstance(segment.prediction, BlendEntry)
    assert segment.prediction.factors is not None
    check(
        models.load_patched(old, patch, receiving=models.Receiving(threads=1)), {"q.weight": merged}
    )


@st.composite
def file_pairs(draw: st.DrawFn) -> tuple[Tensors, Tensors]:
    """Tensors of two versions: of any type and shape, some added and some gone."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for i in range(draw(st.integers(0, 4))):
        dtype = draw(dtypes())
        made = draw(pairs(dtype))
        kind = np.dtype(NUMPY_TYPES[dtype])
        plain = [np.ascontiguousarray(one).view(f"u{kind.itemsize}") for one in made]
        before, after = (one.reshape(made[0].shape).view(kind) for one in plain)
        fate = draw(st.sampled_from(["changed", "changed", "equal", "added", "gone"]))
        if fate != "added":
            old[f"layer.{i}"] = before
        if fate != "gone":
            new[f"layer.{i}"] = before if fate == "equal" else after
    return old, new


@settings(max_examples=60)
@given(file_pairs(), st.booleans())
def test_loading_is_applying_and_reading(pair: tuple[Tensors, Tensors], by_tensors: bool) -> None:
    old, new = (safetensors_file(one) for one in pair)
    patch = patch_of(old, new, by_tensors=by_tensors, threads=1)
    out = io.BytesIO()
    models.apply_patch(old, patch, out, receiving=models.Receiving(threads=1))
    data = out.getvalue()
    model = models.load_patched(old, patch, receiving=models.Receiving(threads=1))
    entries = {one.name: one for one in open_model(np.frombuffer(data, np.uint8)).tensors}
    assert set(model) == set(entries)
    for name, entry in entries.items():
        assert model.spec(name) == entry.spec
        assert model[name].tobytes() == data[entry.offset : entry.end]
    live = {name: np.zeros_like(one) for name, one in pair[1].items()}
    model.update(live)
    assert bits(live) == bits(pair[1])


def test_names_that_are_none_and_frameworks_that_are_none() -> None:
    model = models.load_patched(BASE, PATCH)
    with pytest.raises(InputError, match=r"near: .*'embedding'"):
        model["embeding"]
    with pytest.raises(InputError, match=r"expected one of 7 tensors, found 'zzz'$"):
        model.spec("zzz")
    with pytest.raises(InputError, match="numpy or torch"):
        model.tensor("embedding", framework="jax")


def test_bf16_needs_ml_dtypes_for_numpy_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    model = models.load_patched(BASE, PATCH)
    with pytest.raises(UnsupportedType, match="ml_dtypes"):
        model["embedding"]
    assert model.tensor("embedding", framework="torch").dtype == torch.bfloat16
    assert model["layers.0.norm.weight"].dtype == np.float32


def test_pytorch_is_imported_only_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(BASE)
    (tmp_path / "patch").write_bytes(PATCH)
    script = (
        "import sys, numpy as np; from sapwood import models; m = models.load_patched('base', "
        "'patch'); x = m['layers.0.norm.weight']; live = {'layers.0.norm.weight': np.zeros_like(x)}"
        "; m.update(live, strict=False); assert live['layers.0.norm.weight'].any(); "
        "assert 'torch' not in sys.modules; m.tensor('embedding', 'torch'); "
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_an_absent_pytorch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sapwood.tensors.torch_memory", raising=False)
    monkeypatch.delattr("sapwood.tensors.torch_memory", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="PyTorch is not installed"):
        models.load_patched(BASE, PATCH).tensor("embedding", framework="torch")


def test_what_apply_patch_refuses_is_refused() -> None:
    with pytest.raises(SourceHashMismatch):
        models.load_patched(TARGET, PATCH)
    damaged = bytearray(PATCH)
    damaged[-1] ^= 1
    with pytest.raises(InvalidPatch):
        models.load_patched(BASE, bytes(damaged))
    with pytest.raises(InputError, match="without anybody to trust"):
        models.load_patched(BASE, PATCH, signature=b"")
    public, private = models.generate_keypair()
    with pytest.raises(SignatureError):
        models.load_patched(BASE, PATCH, receiving=models.Receiving(models.Trust(public)))
    signed = patch_of(BASE, TARGET, private_key=private, counter=2)
    check(
        models.load_patched(
            BASE, signed, receiving=models.Receiving(models.Trust(public, minimum_counter=2))
        ),
        TUNED,
    )


def test_a_file_without_tensors_is_told() -> None:
    patch = patch_of(b"some text" * 9, b"another text" * 9)
    with pytest.raises(InputError, match="no tensors are known"):
        models.load_patched(b"some text" * 9, patch)


def test_two_tensors_of_one_name_are_told() -> None:
    parts = parts_of(PATCH)
    for one in parts.index["segments"]:
        if one["name"].endswith("norm.weight"):
            one["name"] = "twice"
    with pytest.raises(InputError, match="named 'twice'"):
        models.load_patched(BASE, parts.write())
