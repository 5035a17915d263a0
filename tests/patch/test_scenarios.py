"""What users do with patches between two tensors, and what they are told when it does not fit."""

from __future__ import annotations

import array
import mmap
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from sapwood import Patch, apply_patch, create_patch, errors, inspect_patch
from sapwood.limits import MOST_THREADS, thread_count
from sapwood.tensors import DType
from support.patch_cases import changed, words_of_normals

pytestmark = pytest.mark.quick

TORCH_TYPES = {
    torch.bfloat16: torch.int16,
    torch.float16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.int8: torch.uint8,
    torch.int16: torch.int16,
    torch.int32: torch.int32,
    torch.int64: torch.int64,
    torch.uint8: torch.uint8,
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
    torch.bool: torch.uint8,
}


def weights(n: int = 5000) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A float32 base and target that differ by a few ULPs."""
    words = words_of_normals(DType.F32, n, 1)
    return words.view(np.float32), changed(words, "dense", 2).view(np.float32)


# The way of the tensor


def test_a_patch_goes_through_a_file_to_another_process(tmp_path: Path) -> None:
    base, target = weights()
    np.save(tmp_path / "base.npy", base)
    patch = create_patch(base, target, metadata={"run": 7, "tags": ["a", "b"]})
    (tmp_path / "weights.patch").write_bytes(patch.to_bytes())
    script = """
import pathlib, sys
import numpy as np, sapwood
folder = pathlib.Path(sys.argv[1])
base = np.load(folder / "base.npy")
data = (folder / "weights.patch").read_bytes()
patch = sapwood.Patch.from_bytes(data)
assert patch.version == "ttpatch/v1"
assert patch.metadata == {"run": 7, "tags": ["a", "b"]}
np.save(folder / "target.npy", sapwood.apply_patch(base, data))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert np.load(tmp_path / "target.npy").tobytes() == target.tobytes()


def test_inspecting_tells_what_the_seed_asks_for() -> None:
    base, target = weights()
    patch = create_patch(base.reshape(50, 100), target.reshape(50, 100), metadata={"note": "n"})
    told = patch.inspect()
    assert told == inspect_patch(patch.to_bytes())
    assert told["version"] == patch.version == "ttpatch/v1"
    assert told["kind"] == "tensor"
    assert told["algorithm"] == "delta"
    assert told["dtype"] == "f32"
    assert told["shape"] == [50, 100]
    assert told["byte_order"] == "little"
    assert told["base_size"] == told["target_size"] == 20_000
    assert len(told["base_checksum"]) == len(told["target_checksum"]) == 64
    assert told["base_checksum"] != told["target_checksum"]
    assert 0 < told["estimated_payload_size"] < told["patch_size"] == len(patch)
    assert told["counts"] == {"tensors": 1, "tensors_modified": 1, "tensors_unchanged": 0}
    assert told["writer"].startswith("sapwood ")
    assert told["metadata"] == {"note": "n"}


def test_inspecting_needs_no_more_than_the_header() -> None:
    base, target = weights()
    whole = create_patch(base, target, metadata={"note": "x" * 100}).to_bytes()
    told = inspect_patch(whole)
    enough = next(size for size in range(len(whole)) if inspects(whole[:size]))
    assert enough < 1000 < len(whole)
    assert inspect_patch(whole[:enough]) == told
    assert inspect_patch(whole[:enough] + b"anything") == told
    with pytest.raises(errors.TruncatedPatch, match="cut off"):
        inspect_patch(whole[: enough - 1])


def inspects(data: bytes) -> bool:
    try:
        inspect_patch(data)
    except errors.TruncatedPatch:
        return False
    return True


def test_metadata_cannot_be_changed_through_a_patch() -> None:
    given = {"list": [1, 2], "tuple": (1, 2)}
    patch = create_patch(np.zeros(2), np.ones(2), metadata=given)
    given["list"] = [3]
    patch.metadata["list"].append(4)
    patch.inspect()["metadata"]["list"].append(4)
    assert patch.metadata == {"list": [1, 2], "tuple": [1, 2]}


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 2**63},
        {"a": b"bytes"},
        {"a": np.float32(1)},
        {"a": "\ud800"},
        {1: "a", "1": "b"},
        [("a", 1)],
        "text",
    ],
    ids=repr,
)
def test_metadata_that_a_reader_would_refuse_are_refused_at_once(metadata: Any) -> None:
    with pytest.raises(errors.InputError, match="metadata"):
        create_patch(np.zeros(2), np.ones(2), metadata=metadata)


def test_metadata_that_nest_too_deep_are_refused_at_once() -> None:
    for depth in (64, 3000):
        value: Any = 1
        for _ in range(depth):
            value = [value]
        with pytest.raises(errors.InputError, match="metadata"):
            create_patch(np.zeros(2), np.ones(2), metadata={"a": value})


# Kinds of tensors


@pytest.mark.parametrize("dtype", TORCH_TYPES, ids=str)
def test_torch_tensors_of_every_type_come_back_as_torch_tensors(dtype: torch.dtype) -> None:
    words = TORCH_TYPES[dtype]
    generator = torch.Generator().manual_seed(1)
    raw = torch.randint(0, 256, (40, 30 * dtype.itemsize), generator=generator, dtype=torch.uint8)
    if dtype is torch.bool:
        raw = raw & 1
    base = raw.view(dtype)
    target = base.clone()
    target.view(words)[3:, 5] ^= 1
    patch = create_patch(base, target)
    found = apply_patch(base, patch)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == dtype
    assert torch.equal(found.view(words), target.view(words))
    assert apply_patch(base, patch, out=base) is base
    assert torch.equal(base.view(words), target.view(words))


def test_torch_and_numpy_make_the_same_patch_and_take_each_others() -> None:
    base, target = weights()
    t_base, t_target = torch.from_numpy(base.copy()), torch.from_numpy(target.copy())
    patch = create_patch(base, target)
    assert create_patch(t_base, t_target) == create_patch(base, t_target) == patch
    assert apply_patch(t_base, patch).numpy().tobytes() == target.tobytes()
    bf16 = base.astype(ml_dtypes.bfloat16)
    both = create_patch(bf16, torch.from_numpy(target).bfloat16())
    assert both.inspect()["dtype"] == "bf16"
    assert apply_patch(t_base.bfloat16(), both).dtype == torch.bfloat16


def test_a_parameter_is_updated_in_place_under_autograd() -> None:
    layer = torch.nn.Linear(32, 16)
    target = (layer.weight + 1e-3).detach()
    version = layer.weight._version
    patch = create_patch(layer.weight, target)
    with torch.no_grad():
        apply_patch(layer.weight, patch, out=layer.weight)
    assert torch.equal(layer.weight, target)
    assert layer.weight._version > version
    assert layer.weight.requires_grad


def test_strided_torch_tensors_are_read_and_written() -> None:
    base = torch.randn(30, 40, generator=torch.Generator().manual_seed(1)).t()
    target = base + 1e-4
    out = torch.zeros(80, 60)[::2, ::2]
    apply_patch(base, create_patch(base, target), out=out)
    assert torch.equal(out, target)


class Exporter:
    """What speaks DLPack and nothing else."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __dlpack__(self, **options: Any) -> Any:
        return self._held.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._held.__dlpack_device__()


def test_whatever_speaks_dlpack_comes_in() -> None:
    base, target = weights()
    patch = create_patch(Exporter(base), Exporter(torch.from_numpy(target.copy())))
    assert patch == create_patch(base, target)
    found = apply_patch(Exporter(base), patch)
    assert isinstance(found, np.ndarray)
    assert found.tobytes() == target.tobytes()


def test_whatever_has_a_buffer_comes_in() -> None:
    base = array.array("d", [1.0, 2.0, 3.0])
    target = array.array("d", [1.0, 2.5, -0.0])
    patch = create_patch(base, memoryview(target))
    assert patch.inspect()["dtype"] == "f64"
    assert apply_patch(base, patch).tobytes() == target.tobytes()
    apply_patch(base, patch, out=base)
    assert base == target
    text = create_patch(b"some bytes", bytearray(b"same bytes"))
    assert text.inspect()["dtype"] == "bytes"
    assert apply_patch(memoryview(b"some bytes"), text).tobytes() == b"same bytes"


@pytest.mark.parametrize("threads", [1, 3])
def test_memory_mapped_arrays_are_patched_and_updated(tmp_path: Path, threads: int) -> None:
    base, target = weights(100_000)
    for name, data in (("base", base), ("target", target)):
        np.save(tmp_path / f"{name}.npy", data)
    old = np.load(tmp_path / "base.npy", mmap_mode="r+")
    new = np.load(tmp_path / "target.npy", mmap_mode="r")
    assert isinstance(old, np.memmap)
    patch = create_patch(old, new, chunk_size=1 << 16, threads=threads)
    apply_patch(old, patch, out=old, threads=threads)
    old.flush()
    assert (tmp_path / "base.npy").read_bytes() == (tmp_path / "target.npy").read_bytes()


def test_a_mapped_file_is_opaque_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello world" * 100)
    with (tmp_path / "a").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        target = mapped[:].replace(b"world", b"there")
        patch = create_patch(mapped, target)
        apply_patch(mapped, patch, out=mapped)
        assert mapped[:] == target


def test_a_numpy_scalar_comes_back_as_one() -> None:
    patch = create_patch(np.float32(1), np.float32(2))
    found = apply_patch(np.float32(1), patch)
    assert type(found) is np.float32
    assert found == 2


def test_a_big_endian_base_comes_back_big_endian_from_any_patch() -> None:
    base, target = weights()
    patch = create_patch(base, target.astype(">f4"))
    found = apply_patch(base.astype(">f4"), patch)
    assert found.dtype == np.dtype(">f4")
    assert found.tobytes() == target.astype(">f4").tobytes()


# What does not fit


def test_another_dtype_is_an_error_and_nothing_is_cast() -> None:
    base, target = weights()
    with pytest.raises(
        errors.DtypeMismatch, match=r"expected a target of dtype f32, found f64.*convert=True"
    ):
        create_patch(base, target.astype(np.float64))
    patch = create_patch(base, target)
    with pytest.raises(errors.DtypeMismatch, match="expected a base of dtype f32, found i32"):
        apply_patch(base.view(np.int32), patch)
    with pytest.raises(errors.DtypeMismatch, match="out has dtype f64"):
        apply_patch(base, patch, out=np.zeros(5000))
    with pytest.raises(errors.DtypeMismatch):
        apply_patch(base.view(np.int32), patch, force=True)


def test_another_shape_is_an_error_and_nothing_is_broadcast() -> None:
    base, target = weights()
    with pytest.raises(
        errors.ShapeMismatch, match=r"expected a target of shape \(5000,\), found \(50, 100\)"
    ):
        create_patch(base, target.reshape(50, 100))
    patch = create_patch(base, target)
    with pytest.raises(errors.ShapeMismatch, match="expected a base of shape"):
        apply_patch(base[:-1], patch)
    with pytest.raises(errors.ShapeMismatch, match="out has shape"):
        apply_patch(base, patch, out=np.zeros((1, 5000), np.float32))
    with pytest.raises(errors.ShapeMismatch):
        apply_patch(base[:-1], patch, force=True)


def test_convert_casts_the_target_first() -> None:
    base, target = weights()
    wide = target.astype(np.float64)
    patch = create_patch(base, wide, convert=True)
    assert apply_patch(base, patch).tobytes() == target.tobytes()
    half = create_patch(base.astype(np.float16), torch.from_numpy(target), convert=True)
    expected = torch.from_numpy(target).half().numpy()
    assert apply_patch(base.astype(np.float16), half).tobytes() == expected.tobytes()
    assert create_patch(base, target, convert=True) == create_patch(base, target)
    with pytest.raises(errors.ShapeMismatch):
        create_patch(base, wide[:-1], convert=True)


@pytest.mark.parametrize(
    "thing",
    [
        None,
        "text",
        3.5,
        [1.0, 2.0],
        np.array(["a"]),
        np.array([1j]),
        np.array([object()]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, [("a", "f4"), ("b", "i4")]),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(2, device="meta"),
    ],
    ids=lambda thing: type(thing).__name__ + str(getattr(thing, "dtype", "")),
)
def test_what_is_no_tensor_of_ours_is_an_error(thing: Any) -> None:
    base, target = weights()
    patch = create_patch(base, target)
    with pytest.raises(errors.UnsupportedType):
        create_patch(thing, thing)
    with pytest.raises(errors.UnsupportedType):
        create_patch(base, thing)
    with pytest.raises(errors.UnsupportedType):
        apply_patch(thing, patch)
    if thing is not None:  # which asks for a new tensor
        with pytest.raises(errors.UnsupportedType):
            apply_patch(base, patch, out=thing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "xor"}, "expected the algorithm 'delta', found 'xor'"),
        ({"chunk_size": 1023}, "chunk_size in bytes from 1024 to"),
        ({"chunk_size": 2**31}, "chunk_size in bytes from 1024 to"),
        ({"threads": 0}, "expected threads from 1 to .*, found 0"),
    ],
)
def test_an_option_out_of_range_is_an_error(options: dict[str, Any], message: str) -> None:
    base, target = weights()
    with pytest.raises(errors.InputError, match=message):
        create_patch(base, target, **options)


def test_a_wrong_base_is_refused_before_anything_is_written() -> None:
    base, target = weights()
    patch = create_patch(base, target)
    wrong = base.copy()
    wrong.view(np.uint32)[17] ^= 1
    out = np.full_like(base, 7)
    before = wrong.copy()
    for kind in (patch, patch.to_bytes()):
        with pytest.raises(errors.VerificationError, match="wrong base: expected BLAKE3") as caught:
            apply_patch(wrong, kind, out=out)
        assert isinstance(caught.value, errors.SourceHashMismatch)
        with pytest.raises(errors.VerificationError):
            apply_patch(wrong, kind, out=wrong)
        with pytest.raises(errors.VerificationError):
            apply_patch(wrong, kind)
    assert (out == 7).all()
    assert wrong.tobytes() == before.tobytes()


def test_force_goes_on_with_a_wrong_base() -> None:
    base, target = weights()
    wrong = base.copy()
    wrong.view(np.uint32)[17] ^= 1
    found = apply_patch(wrong, create_patch(base, target), force=True)
    different = np.flatnonzero(found.view(np.uint32) != target.view(np.uint32))
    assert different.tolist() == [17]
    # Stored as it is, the target does not depend on the base.
    stored = create_patch(base, target, compress=False)
    assert apply_patch(wrong, stored, force=True).tobytes() == target.tobytes()


def test_applying_twice_is_refused() -> None:
    base, target = weights()
    patch = create_patch(base, target)
    apply_patch(base, patch, out=base)
    with pytest.raises(errors.SourceHashMismatch):
        apply_patch(base, patch, out=base)
    assert base.tobytes() == target.tobytes()


def test_an_out_that_cannot_be_written_is_refused() -> None:
    base, target = weights(64)
    patch = create_patch(base, target)
    frozen = base.copy()
    frozen.flags.writeable = False
    with pytest.raises(errors.InputError, match="read-only"):
        apply_patch(base, patch, out=frozen)
    with pytest.raises(errors.InputError, match="share memory"):
        apply_patch(base, patch, out=np.lib.stride_tricks.as_strided(base, (64,), (0,)))


def test_larger_chunks_than_usual_are_read_where_the_caller_allows() -> None:
    base = np.zeros(65 << 20, np.uint8)
    target = base.copy()
    target[5] = 1
    patch = create_patch(base, target, chunk_size=1 << 28)
    assert apply_patch(base, patch)[5] == 1
    with pytest.raises(errors.LimitExceeded, match="Limits"):
        Patch.from_bytes(patch.to_bytes())
    assert apply_patch(base, patch.to_bytes(), chunk_size=1 << 28)[5] == 1


# Modules that load


def imported(script: str) -> set[str]:
    """The modules that a fresh interpreter has after a script."""
    code = f"import sys\n{script}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_sapwood_imports_nothing_heavy() -> None:
    heavy = {"torch", "rich", "ml_dtypes", "sapwood.tensors.torch_memory"}
    found = imported("import sapwood")
    assert "sapwood.errors" in found
    assert not found & {"numpy", *heavy}
    found = imported("from sapwood import apply_patch, create_patch")
    assert "sapwood.patch.tensor" in found
    assert not found & heavy


def test_torch_is_never_imported_for_numpy_tensors() -> None:
    found = imported(
        "import numpy as np, sapwood, io\n"
        "a, b = np.zeros(9, 'f4'), np.ones(9, 'f4')\n"
        "p = sapwood.create_patch(a, b)\n"
        "sapwood.apply_patch(a, p.to_bytes(), out=a)\n"
        "sapwood.create_patch(b'abc', b'abd')\n"
        "assert (a == b).all()"
    )
    assert "torch" not in found


def test_a_nan_does_not_hide_the_changes_around_it() -> None:
    rng = np.random.default_rng(3)
    base = rng.standard_normal(1 << 16).astype(np.float32)
    target = base * np.float32(1.0001)
    plain = len(create_patch(base, target).to_bytes())
    for one in (base, target):
        one[[5, 777, 40_000]] = np.nan, np.inf, -np.inf
    assert len(create_patch(base, target).to_bytes()) < 1.05 * plain


def test_more_threads_than_could_help_are_not_started() -> None:
    assert thread_count(1 << 20) == MOST_THREADS
    with pytest.raises(errors.InputError, match="expected threads from 1"):
        thread_count(0)
