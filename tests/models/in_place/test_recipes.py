"""Updates in place by patches whose predictions are computed from the file that they rewrite."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sapwood import models
from sapwood.codec import Coding
from sapwood.models.applying.in_place.journal_place import journal_path
from sapwood.patch.applying.opening import open_patch
from sapwood.patch.format.predictions import CastEntry
from sapwood.prediction.casting import cast_words
from sapwood.tensors import DType
from support.blend_patches import coefficient_hex
from support.model_files import safetensors_file, weights
from support.recipe_patches import recipe_parts
from support.reference_given import given as given_by_definition
from support.reference_prediction import predicted
from support.requantised_files import blocks_of
from support.strategies import numpy_type

ROWS, COLUMNS, RANK = 24, 20, 2


class Stop(BaseException):
    """Something that no code catches, as an interrupt by the user."""


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no power is cut here


def check(
    base: bytes, target: bytes, patch: bytes, path: Path, others: Sequence[bytes] = ()
) -> int:
    """Forth and back, whole and stopped after some steps; returns how many steps there are."""
    options: dict[str, Any] = {"sources": list(others), "step": 128}
    alone = models.Receiving(threads=1)
    steps = 0

    def count(done: int, total: int) -> None:
        nonlocal steps
        steps += 1

    path.write_bytes(base)
    models.in_place.apply(
        path, patch, **options, keep_undo=True, receiving=replace(alone, progress=count)
    )
    assert path.read_bytes() == target
    models.in_place.roll_back(path, receiving=alone)
    assert path.read_bytes() == base
    for last in {1, steps // 2, steps - 1} - {0}:
        calls = iter(range(1, last))

        def stop(done: int, total: int, calls: object = calls) -> None:
            if next(calls, None) is None:  # type: ignore[call-overload]
                raise Stop

        with pytest.raises(Stop):
            models.in_place.apply(path, patch, **options, receiving=replace(alone, progress=stop))
        half, journal = path.read_bytes(), journal_path(path).read_bytes()
        models.in_place.apply(path, patch, **options, receiving=alone)
        assert path.read_bytes() == target
        path.write_bytes(half)
        journal_path(path).write_bytes(journal)
        models.in_place.roll_back(path, receiving=alone)
        assert path.read_bytes() == base
    models.in_place.apply(path, patch, **options, undo=False, receiving=alone)
    assert path.read_bytes() == target
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return steps


def merged_in_one_file(order: str, layout: str, chunk: int) -> tuple[bytes, bytes, bytes]:
    """A file of weights and an adapter, which becomes the merged weights, and the patch."""
    base = weights(1, (ROWS * COLUMNS,), DType.BF16)
    left, right = weights(2, (ROWS, RANK), DType.F32), weights(3, (RANK, COLUMNS), DType.F32)
    factors = given_by_definition(left.tolist(), right.tolist(), 0.5)
    words, _ = predicted(DType.BF16, [base.view(np.uint16)], [1.0], factors, each=False)
    stored = (left.T, right.T) if layout == "transposed" else (left, right)
    parts = {
        "weights": base.tobytes(),
        "left": np.ascontiguousarray(stored[0]).tobytes(),
        "right": np.ascontiguousarray(stored[1]).tobytes(),
    }
    file = b""
    places = {}
    for name in order.split():
        places[name] = len(file)
        file += parts[name]
    prediction = {
        "kind": "blend",
        "rounding": "once",
        "terms": [{"base": 0, "offset": places["weights"], "coefficient": coefficient_hex(1.0)}],
        "factors": {
            "left": {"base": 0, "from": "f32", "offset": places["left"]},
            "right": {"base": 0, "from": "f32", "offset": places["right"]},
            "layout": layout,
            "rows": ROWS,
            "columns": COLUMNS,
            "rank": RANK,
            "coefficient": coefficient_hex(0.5),
        },
    }
    target = words.astype("<u2").tobytes()
    return file, target, recipe_parts([file], target, DType.BF16, prediction, chunk=chunk).write()


@pytest.mark.parametrize("layout", ["plain", "transposed"])
@pytest.mark.parametrize("chunk", [40])
@pytest.mark.parametrize(
    "order", ["left right weights", "left weights right", "weights right left"]
)
def test_an_adapter_that_lies_in_the_file_itself(
    order: str, chunk: int, layout: str, tmp_path: Path
) -> None:
    """Every chunk needs all of the adapter, which the first ones overwrite."""
    assert check(*merged_in_one_file(order, layout, chunk), tmp_path / "model") > 4


@pytest.mark.parametrize("front", [0, 600])
@pytest.mark.parametrize(
    ("source", "target"), [(DType.F32, DType.BF16), (DType.BF16, DType.F32), (DType.F16, DType.F64)]
)
def test_a_cast_of_what_is_overwritten(
    source: DType, target: DType, front: int, tmp_path: Path
) -> None:
    drawn = np.random.default_rng(1).bytes(200 * source.size)
    base = bytes(front) + drawn + b"behind"
    cast = cast_words(source, target, np.frombuffer(drawn, np.uint8)).tobytes()
    prediction = {"kind": "cast", "base": 0, "offset": front, "from": source.label}
    parts = recipe_parts([base], cast, target, prediction, chunk=10)
    assert check(base, cast, parts.write(), tmp_path / "model") > 2


@pytest.mark.parametrize("chunk", [7, 5 * 34])
@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_blocks_of_what_is_overwritten(kind: str, chunk: int, tmp_path: Path) -> None:
    drawn = weights(3, (24, 32), DType.F16).tobytes()
    base = b"not me" + drawn
    blocks = blocks_of(kind, DType.F16, drawn)
    prediction = {"kind": "quantise", "type": kind, "base": 0, "offset": 6, "from": "f16"}
    parts = recipe_parts([base], blocks, DType.U8, prediction, chunk=chunk)
    assert check(base, blocks, parts.write(), tmp_path / "model") > 2


def made(base: bytes, target: bytes, chunk_size: int) -> bytes:
    """A patch."""
    out = io.BytesIO()
    models.create_patch(base, target, out, chunk_size=chunk_size)
    return out.getvalue()


@pytest.mark.parametrize("moved", [1500, 3000])
def test_chunks_that_go_on_from_what_is_overwritten(moved: int, tmp_path: Path) -> None:
    words = np.random.default_rng(1).choice(["the", "of", "layer", "weights", "token", ":"], 2000)
    base = " ".join(words).encode()
    changed = bytearray(base)
    changed[::23] = b"Z" * len(changed[::23])
    target = bytes(changed[moved:] + changed[:moved])
    patch = made(base, target, 1024)
    (segment,) = open_patch(np.frombuffer(patch, np.uint8)).front.segments
    assert Coding.PREFIXED in {one.coding for one in segment.chunks}
    assert check(base, target, patch, tmp_path / "model") > 4


@pytest.mark.parametrize("wider", [False, True])
def test_a_model_in_another_type(wider: bool, tmp_path: Path) -> None:
    wide = {name: weights(seed, (32, 48), DType.F32) for seed, name in enumerate("ab")}
    narrow = {name: one.astype(numpy_type(DType.BF16)) for name, one in wide.items()}
    exact = {name: one.astype(np.float32) for name, one in narrow.items()}
    pair = (narrow, exact) if wider else (wide, dict(reversed(narrow.items())))
    base, target = map(safetensors_file, pair)
    patch = made(base, target, 1024)
    front = open_patch(np.frombuffer(patch, np.uint8)).front
    assert [type(one.prediction) for one in front.segments if one.name] == [CastEntry] * 2
    assert check(base, target, patch, tmp_path / "model") > 4
