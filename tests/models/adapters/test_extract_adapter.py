"""Low-rank updates in a patch become an adapter as PEFT keeps it, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  # lets NumPy name bfloat16 when safetensors loads it
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

import sapwood
from sapwood import models
from sapwood.errors import InputError, InvalidPatch, IoError, SourceHashMismatch
from sapwood.prediction.factors import Factors
from sapwood.tensors import DType
from support.adapter_patches import Update, adapter_patch
from support.blend_patches import some_factors
from support.cli_session import Session
from support.model_files import safetensors_file, weights
from support.reference_prediction import LowRank, predicted, rounded, widened
from support.strategies import NUMPY_TYPES, word_type

Array = npt.NDArray[Any]

TYPES = [DType.BF16, DType.F16, DType.F32]
SHAPES = {
    "layers.0.q.weight": (60, 40),
    "layers.10.q.weight": (24, 90),
    "conv.weight": (20, 6, 3, 3),
    "conv1d.weight": (20, 6, 5),
}
RANKS = {"layers.0.q.weight": 3, "layers.10.q.weight": 2, "conv.weight": 4, "conv1d.weight": 1}


def update_of(name: str, seed: int = 0, *, each: bool = False) -> Update:
    rows, *others = SHAPES[name]
    factors = some_factors(1, rows, int(np.prod(others)), RANKS[name], seed)
    return Update(factors, each=each)


def prediction(base: Array, update: Update, dtype: DType) -> Array:
    """What the patch predicts, by the reference."""
    assert update.factors is not None
    left, right = update.factors.effective()
    low_rank = LowRank(left, right, update.factors.exponent)
    words = base.reshape(-1).view(word_type(dtype))
    found, _ = predicted(dtype, [words], [1.0], low_rank, each=update.each)
    made: Array = found.astype(word_type(dtype)).view(NUMPY_TYPES[dtype]).reshape(base.shape)
    return made


def model(dtype: DType) -> dict[str, Array]:
    return {name: weights(i, shape, dtype) for i, (name, shape) in enumerate(SHAPES.items())}


def case(dtype: DType, *, each: bool = False) -> tuple[dict[str, Array], dict[str, Array], bytes]:
    """A base, its target, which is what the patch predicts but for 100 elements, and the patch."""
    base = model(dtype)
    updates = {name: update_of(name, i, each=each) for i, name in enumerate(base)}
    target = {name: prediction(base[name], updates[name], dtype) for name in base}
    moved = target["layers.0.q.weight"].reshape(-1)
    moved[:100] = -moved[:100] - NUMPY_TYPES[dtype](1)
    return base, target, adapter_patch([base], target, updates)


def loaded(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The two files of an adapter, and nothing else."""
    assert {path.name for path in folder.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
    }
    tensors = safetensors.numpy.load_file(folder / "adapter_model.safetensors")
    return tensors, json.loads((folder / "adapter_config.json").read_text())


def product(tensors: Mapping[str, Array], module: str) -> Array:
    """(out, in) B A in binary64."""
    a, b = (
        tensors[f"base_model.model.{module}.lora_{one}.weight"].astype(np.float64) for one in "AB"
    )
    found: Array = b.reshape(len(b), -1) @ a.reshape(len(a), -1)
    return found


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("each", [False, True])
def test_base_plus_adapter_is_what_the_patch_predicts(
    dtype: DType, each: bool, tmp_path: Path
) -> None:
    base, target, patch = case(dtype, each=each)
    models.extract_adapter(patch, tmp_path / "adapter")
    tensors, _ = loaded(tmp_path / "adapter")
    for name, array in base.items():
        wide = widened(array.reshape(-1).view(word_type(dtype)), dtype)
        update = product(tensors, name.removesuffix(".weight")).reshape(-1).astype(wide.dtype)
        if each:
            update = widened(rounded(update, dtype).astype(word_type(dtype)), dtype)
        merged = rounded(wide + update, dtype)
        wrong = merged != target[name].reshape(-1).view(word_type(dtype))
        assert np.count_nonzero(wrong) == (100 if name == "layers.0.q.weight" else 0)


def test_the_files_are_as_peft_has_them(tmp_path: Path) -> None:
    _, _, patch = case(DType.BF16)
    report = models.extract_adapter(patch, tmp_path / "adapter")
    tensors, config = loaded(tmp_path / "adapter")
    assert {name: array.shape for name, array in tensors.items()} == {
        "base_model.model.layers.0.q.lora_A.weight": (3, 40),
        "base_model.model.layers.0.q.lora_B.weight": (60, 3),
        "base_model.model.layers.10.q.lora_A.weight": (2, 90),
        "base_model.model.layers.10.q.lora_B.weight": (24, 2),
        "base_model.model.conv.lora_A.weight": (4, 6, 3, 3),
        "base_model.model.conv.lora_B.weight": (20, 4, 1, 1),
        "base_model.model.conv1d.lora_A.weight": (1, 6, 5),
        "base_model.model.conv1d.lora_B.weight": (20, 1, 1),
    }
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    for module in ("layers.0.q", "conv"):
        a, b = (tensors[f"base_model.model.{module}.lora_{one}.weight"] for one in "AB")
        norms = [np.linalg.norm(b.reshape(len(b), -1)[:, k]) / np.linalg.norm(a[k])
                 for k in range(len(a))]  # fmt: skip
        assert 0.49 < min(norms) <= max(norms) < 2.1
    ranks = {"layers.10.q": 2, "layers.0.q": 3, "conv1d": 1, "conv": 4}
    assert config["peft_type"] == "LORA"
    assert (config["r"], config["lora_alpha"]) == (4, 4)
    assert config["rank_pattern"] == config["alpha_pattern"] == ranks
    # PEFT takes the first that a module's name ends with.
    assert list(config["rank_pattern"]) == sorted(ranks, key=len, reverse=True)
    assert config["target_modules"] == ["layers.0.q", "layers.10.q", "conv", "conv1d"]
    assert (config["bias"], config["fan_in_fan_out"], config["inference_mode"]) == (
        "none", False, True,
    )  # fmt: skip
    assert [(one.name, one.rank, one.shape) for one in report.modules] == [
        (name.removesuffix(".weight"), RANKS[name], shape) for name, shape in SHAPES.items()
    ]
    assert report.remainder is None
    assert report.left_out == ()
    assert report.size == (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size


def test_one_rank_needs_no_pattern(tmp_path: Path) -> None:
    base = model(DType.F16)
    name = "layers.0.q.weight"
    changed = base | {name: base[name] + np.float16(1)}
    models.extract_adapter(adapter_patch([base], changed, {name: update_of(name)}), tmp_path)
    _, config = loaded(tmp_path)
    assert (config["r"], config["rank_pattern"], config["alpha_pattern"]) == (3, {}, {})
    assert config["target_modules"] == ["layers.0.q"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("each", [False, True])
def test_with_the_base_it_is_told_what_is_left(dtype: DType, each: bool, tmp_path: Path) -> None:
    base, target, patch = case(dtype, each=each)
    seen: list[tuple[int, int]] = []
    report = models.extract_adapter(
        patch,
        tmp_path / "adapter",
        base=safetensors_file(base),
        receiving=models.Receiving(progress=lambda done, total: seen.append((done, total))),
    )
    total = sum(array.nbytes for array in base.values())
    assert seen[-1] == (total, total)
    told = {one.name: one.remainder for one in report.modules}
    for name, array in base.items():
        found = told[name.removesuffix(".weight")]
        assert found is not None
        assert (found.elements, found.wrong) == (
            array.size,
            100 if name == "layers.0.q.weight" else 0,
        )
    q = told["layers.0.q"]
    assert q is not None
    name = "layers.0.q.weight"
    made = prediction(base[name], update_of(name, 0, each=each), dtype)
    left, moved = (target[name].astype(np.float64) - one for one in (made, base[name]))
    assert q.share == pytest.approx(np.linalg.norm(left) / np.linalg.norm(moved))
    assert told["conv"] is not None
    assert told["conv"].share == 0
    assert report.remainder is not None
    assert (report.remainder.elements, report.remainder.wrong) == (
        sum(array.size for array in base.values()),
        100,
    )


@pytest.mark.parametrize("label", ["bf16", "f16"])
def test_narrow_adapters_are_the_wide_one_rounded(label: str, tmp_path: Path) -> None:
    base, _, patch = case(DType.F32)
    models.extract_adapter(patch, tmp_path / "wide")
    report = models.extract_adapter(
        patch, tmp_path / "narrow", dtype=label, base=safetensors_file(base)
    )
    wide, narrow = loaded(tmp_path / "wide")[0], loaded(tmp_path / "narrow")[0]
    assert list(wide) == list(narrow)
    kind = np.dtype(NUMPY_TYPES[DType.named(label)])
    for name, array in wide.items():
        assert narrow[name].dtype == kind
        np.testing.assert_array_equal(narrow[name], array.astype(kind))
    assert report.remainder is not None
    # The factors have 10 bits, which f16 can hold; what bf16 loses is told.
    assert report.remainder.wrong == 100 if label == "f16" else report.remainder.wrong > 1000


def test_numbers_too_large_for_the_type_are_refused(tmp_path: Path) -> None:
    name = "layers.0.q.weight"
    small = some_factors(1, 60, 40, 3, 0)
    large = Factors(small.left, small.right, small.left_shifts, small.right_shifts, 40)
    base = model(DType.F32)
    target = base | {name: base[name] + np.float32(1)}
    patch = adapter_patch([base], target, {name: Update(large)})
    with pytest.raises(InputError, match=r"layers\.0\.q: .* f16 cannot hold; write it as f32"):
        models.extract_adapter(patch, tmp_path / "adapter", dtype="f16")
    assert list(tmp_path.iterdir()) == []
    models.extract_adapter(patch, tmp_path / "adapter", dtype="bf16")


def test_what_is_left_out_is_told_with_the_reason(tmp_path: Path) -> None:
    pair = {name: weights(3, (2, 16, 20)) for name in ("stack.weight",)}
    others = ("sum", "half", "plain", "new", "zero", "w")
    names = [f"{name}.weight" for name in others] + ["unnamed", "same.weight", ".weight"]
    base = model(DType.BF16) | pair | {name: weights(5, (60, 40)) for name in names}
    target = {name: array + np.ones_like(array) for name, array in base.items()}
    target["same.weight"] = base["same.weight"]
    good = update_of("layers.0.q.weight").factors
    assert good is not None
    zeros = Factors(0 * good.left, good.right, good.left_shifts, good.right_shifts, -20)
    updates = {
        "layers.0.q.weight": Update(good),
        "stack.weight": Update(some_factors(2, 16, 20, 2, 1)),
        "sum.weight": Update(None, {0: 0.5}),
        "half.weight": Update(good, {0: 0.5}),
        "new.weight": None,
        "zero.weight": Update(zeros),
        "w.weight": Update(some_factors(1, 40, 60, 2, 1)),
        "unnamed": Update(good),
        ".weight": Update(good),
    }
    patch = adapter_patch([base], target, updates)
    report = models.extract_adapter(patch, tmp_path / "a", base=safetensors_file(base))
    assert [one.name for one in report.modules] == ["layers.0.q"]
    assert dict(report.left_out) == {
        **dict.fromkeys(
            ["layers.10.q.weight", "conv.weight", "conv1d.weight", "plain.weight"],
            "changed, but not by a low-rank update",
        ),
        "stack.weight": "an update of 2 matrices in one tensor",
        "sum.weight": "predicted by a sum of bases",
        "half.weight": "predicted by a sum of bases and an update of rank 3",
        "new.weight": "nothing in the base predicts it",
        "zero.weight": "its update is all zeros",
        "w.weight": "an update of a matrix that is not the tensor's",
        "unnamed": "its name does not end in .weight, as that of a module's weight does",
        ".weight": "its name does not end in .weight, as that of a module's weight does",
    }


def test_of_several_bases_the_one_that_most_updates_are_of(tmp_path: Path) -> None:
    first, second = model(DType.BF16), model(DType.BF16)
    second = {name: array + np.ones_like(array) for name, array in second.items()}
    target = {
        name: prediction(array, update_of(name), DType.BF16) for name, array in second.items()
    }
    updates = {name: Update(update_of(name).factors, {1: 1.0}) for name in target}
    updates["conv.weight"] = Update(update_of("conv.weight").factors, {0: 1.0})
    patch = adapter_patch([first, second], target, updates)
    files = [safetensors_file(second), safetensors_file(first)]
    report = models.extract_adapter(patch, tmp_path / "a", base=files)
    assert report.base == 1
    assert report.left_out == (("conv.weight", "updates base 1, not base 2"),)
    assert report.remainder is not None
    assert report.remainder.wrong == 0


def test_a_patch_without_an_adapter_is_refused(tmp_path: Path) -> None:
    base, target, patch = case(DType.BF16)
    with pytest.raises(InputError, match="no tensor has changed"):
        models.extract_adapter(adapter_patch([base], base, {}), tmp_path / "a")
    with pytest.raises(InputError, match="found none among 4 changed tensors"):
        models.extract_adapter(adapter_patch([base], target, {}), tmp_path / "a")
    good = update_of("conv.weight").factors
    assert good is not None
    zeros = Factors(0 * good.left, good.right, good.left_shifts, good.right_shifts, -20)
    with pytest.raises(InputError, match="all of its updates are zeros"):
        models.extract_adapter(
            adapter_patch([base], target, {"conv.weight": Update(zeros)}), tmp_path / "a"
        )
    array = base["conv.weight"]
    with pytest.raises(InputError, match="found one of a tensor"):
        models.extract_adapter(
            sapwood.create_patch(array, target["conv.weight"]).to_bytes(), tmp_path / "a"
        )
    with pytest.raises(InputError, match="expected the dtype f32, f16, bf16, found 'f64'"):
        models.extract_adapter(patch, tmp_path / "a", dtype="f64")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    base, target, patch = case(DType.BF16)
    with pytest.raises(SourceHashMismatch):
        models.extract_adapter(patch, tmp_path / "a", base=safetensors_file(target))
    with pytest.raises(InvalidPatch, match="damaged body"):
        models.extract_adapter(patch[:-1] + b"x", tmp_path / "a")
    with pytest.raises(IoError, match="No such file"):
        models.extract_adapter(patch, tmp_path / "missing" / "a")

    def stop(done: int, total: int) -> None:
        assert [path.name[:3] for path in tmp_path.iterdir()] == [".a."]
        raise InterruptedError

    with pytest.raises((InterruptedError, IoError)):
        models.extract_adapter(
            patch,
            tmp_path / "a",
            base=safetensors_file(base),
            receiving=models.Receiving(progress=stop),
        )
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"what was there")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").write_bytes(b"")
    for name in ("file", "full"):
        with pytest.raises(InputError, match="expected nothing there, or an empty folder"):
            models.extract_adapter(patch, tmp_path / name)
    assert (tmp_path / "file").read_bytes() == b"what was there"
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    models.extract_adapter(patch, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    loaded(tmp_path / "empty")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "full", "empty", "link"}


def test_an_empty_folder_keeps_its_permissions_and_a_circular_link_is_refused(
    tmp_path: Path,
) -> None:
    *_, patch = case(DType.BF16)
    private = tmp_path / "private"
    private.mkdir(0o700)
    models.extract_adapter(patch, private)
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "adapter_config.json").is_file()
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    with pytest.raises(InputError, match="expected nothing there"):
        models.extract_adapter(patch, circle)


@pytest.fixture
def here(tmp_path: Path) -> Session:
    session = Session(tmp_path)
    base, target, patch = case(DType.BF16)
    (session / "base").write_bytes(safetensors_file(base))
    (session / "target").write_bytes(safetensors_file(target))
    (session / "p").write_bytes(patch)
    return session


def test_the_command_tells_ranks_and_what_is_left(here: Session) -> None:
    printed = here.succeed("extract-adapter --patch p --out a").decode().splitlines()
    assert printed[0].startswith("a: adapter for 4 modules, ")
    assert printed[1] == "give --base to learn what base and adapter leave of the target"
    assert printed[2] == "  layers.0.q: rank 3"
    printed = here.succeed("extract-adapter --patch p --base . --out b --all").decode().splitlines()
    assert printed[1].startswith("all together: 1.")
    assert printed[2].startswith("  layers.0.q: rank 3, 4.17 % of the elements come out wrong, ")
    assert printed[3].startswith("  layers.10.q: rank 2, 0 % of the elements come out wrong, 0 of")
    loaded(here / "b")
    assert here.succeed("extract-adapter --patch p --out c --dtype bf16 --quiet") == b""


def test_the_command_tells_json(here: Session) -> None:
    told = here.json("extract-adapter --patch p --base base --out a")
    assert told["bases"] == ["base"]
    assert (told["elements_wrong"], told["left_out"]) == (100, [])
    assert told["modules"][0]["elements_wrong"] == 100
    assert [one["rank"] for one in told["modules"]] == list(RANKS.values())
    told = here.json("extract-adapter --patch p --out b")
    assert (told["bases"], told["elements_wrong"]) == ([], None)


def test_the_command_fails_with_a_line(here: Session) -> None:
    assert here.fail("extract-adapter --patch p --out -", 2).startswith("--out -: ")
    assert here.fail("extract-adapter --patch p --out base", 2).startswith("base: expected nothing")
    line = here.fail("extract-adapter --patch p --base target --out a", 4)
    assert line.startswith("target: wrong base: ")
    here.succeed("create --base base --target base --out none")
    assert here.fail("extract-adapter --patch none --out a", 2).startswith("no adapter in this")


def test_many_tensors_are_listed_when_asked(tmp_path: Path) -> None:
    here = Session(tmp_path)
    base = {f"{i}.weight": weights(i, (60, 40)) for i in range(50)}
    target = {name: array + np.ones_like(array) for name, array in base.items()}
    update = update_of("layers.0.q.weight")
    (here / "p").write_bytes(
        adapter_patch([base], target, {f"{i}.weight": update for i in range(25)})
    )
    short = here.succeed("extract-adapter --patch p --out a").decode().splitlines()
    assert short[22:24] == [
        "  and 5 more; --all lists them",
        "left out, though changed: 25 tensors",
    ]
    assert len(short) == 2 + 21 + 1 + 21
    whole = here.succeed("extract-adapter --patch p --out b --all").decode().splitlines()
    assert len(whole) == 2 + 25 + 1 + 25


def test_an_adapter_that_was_merged_is_found_again(tmp_path: Path) -> None:
    here = Session(tmp_path)
    rng = np.random.default_rng(3)
    base = {"q.weight": weights(1, (256, 192), DType.F16)}
    b, a = 0.05 * rng.standard_normal((256, 3)), 0.05 * rng.standard_normal((3, 192))
    (here / "base").write_bytes(safetensors_file(base))
    merged = (base["q.weight"] + b @ a).astype(np.float16)
    (here / "target").write_bytes(safetensors_file({"q.weight": merged}))
    here.succeed("create --base base --target target --out p")
    told = here.json("extract-adapter --patch p --base base --out a")
    assert told["modules"][0]["rank"] in {3, 4}  # a rank more than needed may still pay
    assert told["share_left"] < 0.01
    tensors, _ = loaded(here / "a")
    found = product(tensors, "q")
    assert np.linalg.norm(found - b @ a) < 0.01 * np.linalg.norm(b @ a)
