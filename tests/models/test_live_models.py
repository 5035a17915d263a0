"""A patch's target put into a model in memory: all of it, or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sapwood import models
from sapwood.errors import (
    DtypeMismatch,
    InputError,
    InvalidPatch,
    ShapeMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.models.applying.live import Live, write_live
from sapwood.tensors import DType, view
from support.loaded_models import (
    BASE,
    MODEL,
    PATCH,
    TARGET,
    TUNED,
    UNCHANGED,
    as_torch,
    bits,
    patch_of,
    with_wrong_digest,
)
from support.model_files import safetensors_file, tuned, weights
from support.patch_writer import parts_of
from support.strategies import NUMPY_TYPES, nasty_words


def test_nans_and_all_other_bits_survive_an_update() -> None:
    for dtype in (DType.BF16, DType.F32):
        words = nasty_words(dtype)
        old = {"x": weights(3, (len(words),), dtype)}
        new = {"x": words.view(NUMPY_TYPES[dtype])}
        live = as_torch(old)
        patch = patch_of(safetensors_file(old), safetensors_file(new))
        models.load_patched(safetensors_file(old), patch).update(live)
        assert bits(live) == bits(new)


@pytest.mark.parametrize("name", ["layers.1.mlp.weight", UNCHANGED])
def test_a_damaged_tensor_is_named_and_nothing_is_updated(name: str) -> None:
    model = models.load_patched(BASE, with_wrong_digest(name))
    with pytest.raises(TargetHashMismatch, match=name):
        model[name]
    assert model["embedding"].tobytes() == TUNED["embedding"].tobytes()
    live = as_torch(MODEL)
    with pytest.raises(TargetHashMismatch, match=name):
        model.update(live)
    assert bits(live) == bits(MODEL)


def test_a_damaged_payload_is_named_and_nothing_is_updated() -> None:
    parts = parts_of(PATCH)
    parts.body = parts.body[:-2000] + bytes(2000)
    model = models.load_patched(BASE, parts.write())
    name = "layers.1.mlp.weight"
    with pytest.raises((InvalidPatch, TargetHashMismatch), match=name):
        model[name]
    live = as_torch(MODEL)
    with pytest.raises((InvalidPatch, TargetHashMismatch), match=r"layers\.1\."):
        model.update(live)
    assert bits(live) == bits(MODEL)


def module() -> torch.nn.Module:
    """A module with the tensors of MODEL, one of them a buffer, in evaluation."""
    made = torch.nn.Module()
    for name, tensor in as_torch(MODEL).items():
        *path, last = name.split(".")
        at = made
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, torch.nn.Module())
            at = at.get_submodule(part)
        if last == "embedding":
            at.register_buffer(last, tensor)
        else:
            at.register_parameter(last, torch.nn.Parameter(tensor))
    return made


def test_a_module_is_updated_where_it_is() -> None:
    model = module()
    parameters = dict(model.named_parameters())
    models.load_patched(BASE, PATCH).update(model)
    assert bits(model.state_dict()) == bits(TUNED)
    assert all(one is parameters[name] for name, one in model.named_parameters())
    assert all(one.requires_grad for one in parameters.values())


def test_a_live_model_need_not_be_the_base() -> None:
    live = {name: np.zeros_like(one) for name, one in MODEL.items()}
    models.load_patched(BASE, PATCH).update(live)
    assert bits(live) == bits(TUNED)


def test_a_state_of_any_layout_is_updated() -> None:
    live = as_torch(MODEL)
    live["embedding"] = live["embedding"].t().contiguous().t()
    models.load_patched(BASE, PATCH).update(live)
    assert bits(live) == bits(TUNED)


def frozen(array: Any) -> Any:
    out = array.copy()
    out.flags.writeable = False
    return out


LAST = "layers.1.norm.weight"
MISFITS: dict[str, tuple[Callable[[Any], Any], type[InputError]]] = {
    "shape": (lambda one: one[:-1].copy(), ShapeMismatch),
    "dtype": (lambda one: one.astype(np.float64), DtypeMismatch),
    "read-only": (frozen, InputError),
    "no tensor": (lambda one: {"a": one}, UnsupportedType),
}


@pytest.mark.parametrize("misfit", MISFITS)
@pytest.mark.parametrize("strict", [True, False])
def test_one_tensor_that_does_not_fit_leaves_all_as_they_were(misfit: str, strict: bool) -> None:
    change, error = MISFITS[misfit]
    live = {name: array.copy() for name, array in MODEL.items()}
    live[LAST] = change(live[LAST])
    before = {name: one for name, one in bits({**live, LAST: MODEL[LAST]}).items() if name != LAST}
    with pytest.raises(error, match=LAST):
        models.load_patched(BASE, PATCH).update(live, strict=strict)
    del live[LAST]
    assert bits(live) == before


def test_names_must_be_the_same_unless_not_strict() -> None:
    model = models.load_patched(BASE, PATCH)
    live = as_torch(MODEL)
    del live["embedding"]
    live["head"] = torch.zeros(3)
    before = bits(live)
    with pytest.raises(InputError, match="lacks 'embedding' and has beyond them 'head'"):
        model.update(live)
    assert bits(live) == before
    model.update(live, strict=False)
    wanted = {**bits(TUNED), "head": bytes(12)}
    del wanted["embedding"]
    assert bits(live) == wanted


def test_tied_tensors_may_be_named_once_or_be_equal() -> None:
    model = models.load_patched(BASE, PATCH)
    live = as_torch(MODEL)
    live["head"] = live["embedding"].view(256, 64)
    model.update(live)
    assert bits(live) == {**bits(TUNED), "head": TUNED["embedding"].tobytes()}
    live["layers.0.norm.weight"] = live["layers.1.norm.weight"]
    before = bits(live)
    fresh = models.load_patched(TARGET, patch_of(TARGET, BASE))
    with pytest.raises(InputError, match="share memory"):
        fresh.update(live)
    assert bits(live) == before


def test_only_models_are_updated() -> None:
    with pytest.raises(InputError, match="found int"):
        models.load_patched(BASE, PATCH).update(3)


def test_a_format_that_does_not_tell_the_order_of_elements_is_refused() -> None:
    square = weights(5, (300, 300), DType.F32)
    files = []
    for array in (square, tuned(square, 6)):
        out = io.BytesIO()
        torch.save({"x": torch.from_numpy(array).T}, out)
        files.append(out.getvalue())
    model = models.load_patched(files[0], patch_of(files[0], files[1]))
    assert model["x"].tobytes() == tuned(square, 6).tobytes()
    live = {"x": square.T.copy()}
    with pytest.raises(InputError, match="found 'pytorch'"):
        model.update(live)
    assert live["x"].tobytes() == square.T.tobytes()


@pytest.mark.parametrize(
    "views",
    [
        lambda memory: (memory[:100], memory[50:]),
        lambda memory: (memory[:100], memory[:100][::-1]),
        lambda memory: (memory[:100].reshape(10, 10), memory[:100].reshape(10, 10).T),
    ],
    ids=["overlapping", "reversed", "transposed"],
)
def test_memory_that_is_shared_in_part_or_otherwise_laid_out_is_refused(views: Any) -> None:
    memory = np.zeros(150, np.float32)
    first, second = views(memory)
    live = [
        Live(
            name,
            out,
            view(out).spec,
            np.arange(out.size, dtype=np.float32).view(np.uint8),
        )
        for name, out in (("a", first), ("b", second))
    ]
    with pytest.raises(InputError, match=r"share memory"):
        write_live(live)
    assert not memory.any()
