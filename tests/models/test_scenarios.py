"""What happens to safetensors files from one version to the next, and that all of it comes back."""

# ruff: noqa: T201 (the quick start prints)

from __future__ import annotations

import io
import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import safetensors.numpy

from sapwood import models
from sapwood.errors import InputError, SourceHashMismatch
from sapwood.tensors.dtypes import DType
from support.model_files import (
    FRONT,
    Tensors,
    layer,
    patched,
    safetensors_file,
    stacked,
    tuned,
    weights,
    with_header,
)
from support.strategies import NUMPY_TYPES, nasty_words

LAYERS = [layer(seed) for seed in range(1, 5)]
MODEL = stacked(LAYERS)
COUNT = len(MODEL)


def all_tuned(tensors: Tensors) -> dict[str, Any]:
    return {name: tuned(array, i) for i, (name, array) in enumerate(tensors.items())}


def without(tensors: Tensors, *names: str) -> dict[str, Any]:
    return {name: array for name, array in tensors.items() if name not in names}


def renamed(tensors: Tensors, rename: Callable[[str], str]) -> dict[str, Any]:
    return {rename(name): array for name, array in tensors.items()}


def with_prefix(name: str) -> str:
    return f"model.decoder.{name}"


TUNED = all_tuned(MODEL)
INSERTED = stacked([layer(9), *LAYERS])
# Each with the tensors that are then changed or new, and those that are as they were.
SCENARIOS: dict[str, tuple[Tensors, int, int]] = {
    "unchanged": (MODEL, 0, COUNT),
    "one changed": ({**MODEL, "embedding": TUNED["embedding"]}, 1, COUNT - 1),
    "all changed": (TUNED, COUNT, 0),
    "added": ({**MODEL, "head": weights(99, (64, 64))}, 1, COUNT),
    "removed": (without(MODEL, "layers.1.mlp.weight"), 0, COUNT - 1),
    "reordered": (dict(reversed(MODEL.items())), 0, COUNT),
    "renamed": (renamed(MODEL, with_prefix), 0, COUNT),
    "renamed and changed": (renamed(TUNED, with_prefix), COUNT, 0),
    "a layer inserted": (INSERTED, 3, COUNT),
    "a layer dropped": (stacked(LAYERS[1:]), 0, COUNT - 3),
    "names swapped": (
        {
            **MODEL,
            "layers.0.mlp.weight": MODEL["layers.1.mlp.weight"],
            "layers.1.mlp.weight": MODEL["layers.0.mlp.weight"],
        },
        0,
        COUNT,
    ),
    "reshaped": ({**MODEL, "embedding": MODEL["embedding"].reshape(64, 4, 64)}, 0, COUNT),
    "retyped": ({**MODEL, "embedding": MODEL["embedding"].astype(np.float32)}, 1, COUNT - 1),
    "transposed": ({**MODEL, "embedding": MODEL["embedding"].T.copy()}, 1, COUNT - 1),
    "resized": ({**MODEL, "embedding": weights(7, (300, 64))}, 1, COUNT - 1),
    "tied": ({**MODEL, "head": MODEL["embedding"]}, 0, COUNT + 1),
    "zeroed": ({**MODEL, "embedding": np.zeros_like(MODEL["embedding"])}, 1, COUNT - 1),
    "emptied": ({**MODEL, "empty": weights(1, (0, 64)), "0-d": weights(2, ())}, 2, COUNT),
    "all removed": ({}, 0, 0),
}


def written_by_library(tensors: Tensors) -> bytes:
    return safetensors.numpy.save(dict(tensors), {"format": "pt"})


@pytest.mark.parametrize("write", [written_by_library, safetensors_file])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_change_comes_back_and_is_counted(
    scenario: str, write: Callable[[Tensors], bytes]
) -> None:
    tensors, modified, unchanged = SCENARIOS[scenario]
    base, target = write(MODEL), write(tensors)
    patch, stats = patched(base, target)
    info = models.patch_info(patch)
    assert (stats.tensors_modified, stats.tensors_unchanged) == (modified, unchanged)
    assert (info.tensors_modified, info.tensors_unchanged) == (modified, unchanged)
    assert info.patch_size == len(patch)
    if modified == 0:
        assert len(patch) < FRONT + 100 * len(tensors)
    back, _ = patched(target, base)  # what was added is removed again
    assert len(back) < len(base)


@pytest.mark.parametrize("scenario", ["renamed and changed", "a layer inserted"])
def test_new_names_cost_next_to_nothing(scenario: str) -> None:
    """Against the same change under the old names."""
    plainly = {
        "renamed and changed": TUNED,
        "a layer inserted": stacked([*LAYERS, layer(9)]),
    }[scenario]
    base = safetensors_file(MODEL)
    moved, _ = patched(base, safetensors_file(SCENARIOS[scenario][0]))
    stayed, _ = patched(base, safetensors_file(plainly))
    assert len(moved) <= len(stayed) + 60 * COUNT


def test_layers_that_moved_on_and_changed_are_still_found() -> None:
    base = safetensors_file(MODEL)
    moved = stacked([layer(9), *({k: tuned(v, 5) for k, v in one.items()} for one in LAYERS)])
    stayed = stacked([*({k: tuned(v, 5) for k, v in one.items()} for one in LAYERS), layer(9)])
    patch, stats = patched(base, safetensors_file(moved))
    other, _ = patched(base, safetensors_file(stayed))
    assert stats.tensors_modified == COUNT + 2
    assert len(patch) <= len(other) + 60 * COUNT + 4 * sum(64 * 4 for _ in LAYERS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"metadata": {"step": "1"}}, {"metadata": {"step": "2", "note": "longer"}}),
        ({"metadata": {"step": "1"}}, {}),
        ({}, {"padding": 7}),
        ({"padding": 300}, {"padding": 1}),
        ({}, {"order": list(reversed(MODEL))}),
        ({}, {"hole": b"\x01\x02\x03"}),
        ({"hole": b"\x01\x02\x03"}, {"hole": b"\x01\x02"}),
        ({"hole": bytes(64)}, {"hole": bytes(64), "tail": b"appended"}),
        ({"tail": b"appended"}, {}),
    ],
)
def test_what_is_no_tensor_comes_back_too(old: dict[str, Any], new: dict[str, Any]) -> None:
    base, target = safetensors_file(MODEL, **old), safetensors_file(MODEL, **new)
    patch, stats = patched(base, target)
    assert (stats.tensors_modified, stats.tensors_unchanged) == (0, COUNT)
    assert len(patch) < FRONT + 200 * COUNT


@pytest.mark.parametrize("dtype", sorted(NUMPY_TYPES, key=str))
def test_every_element_type(dtype: DType) -> None:
    kind = np.dtype(NUMPY_TYPES[dtype])
    edge = nasty_words(dtype).view(kind)
    old = {
        "w": weights(1, (64, 48), dtype),
        "0-d": weights(2, (), dtype),
        "empty": np.empty((3, 0, 2), kind),
        "edge": edge,
        "zero": np.zeros(100, kind),
    }
    changed = old["w"].copy()
    changed[::7] = weights(3, changed[::7].shape, dtype)
    new = {
        "w": changed,
        "0-d": weights(4, (), dtype),
        "empty": np.empty((0, 9), kind),
        "edge": edge[::-1].copy(),
        "zero": old["zero"],
    }
    base, target = safetensors_file(old), safetensors_file(new)
    _, stats = patched(base, target)
    assert stats.tensors_unchanged >= 2
    assert stats.tensors_modified + stats.tensors_unchanged == len(new)


def test_element_types_that_have_no_name_here() -> None:
    data = np.random.default_rng(0).bytes(6000)

    def file(content: bytes) -> bytes:
        entry = {"dtype": "F6_E3M2", "shape": [1000, 8], "data_offsets": [0, 6000]}
        return with_header({"six bits": entry}, content)

    changed = data[:3000] + bytes(10) + data[3010:]
    assert patched(file(data), file(data))[1].tensors_unchanged == 1
    assert patched(file(data), file(changed))[1].tensors_modified == 1


@pytest.mark.parametrize(
    "shape",
    [(1,) * 64, (1,) * 65, (2,) * 3 + (1,) * 97, (2**61 - 1, 0), (0, 2**60, 2**60)],
    ids=str,
)
def test_shapes_of_any_number_and_size_of_sides(shape: tuple[int, ...]) -> None:
    nbytes = 4 * math.prod(shape)
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, nbytes]}
    base = with_header({"a": entry}, b"\x01" * nbytes)
    target = with_header({"a": entry}, b"\x02" * nbytes + b"tail")
    patched(base, target)


@pytest.mark.parametrize("name", ["", "\0", 'quo"te\\', "ünïcode 木", "\U0001f333", "x" * 3000])
def test_names_of_any_kind(name: str) -> None:
    base = safetensors_file({name: weights(1, (64,))})
    target = safetensors_file({name: weights(2, (64,))})
    patched(base, target)


def test_a_tied_tensor_that_changed_is_no_worse_than_two() -> None:
    old = {"embedding": MODEL["embedding"], "head": MODEL["embedding"]}
    new = dict.fromkeys(old, TUNED["embedding"])
    single, _ = patched(
        safetensors_file({"head": old["head"]}), safetensors_file({"head": new["head"]})
    )
    both, _ = patched(safetensors_file(old), safetensors_file(new))
    assert len(both) <= 2 * len(single)


def test_many_small_tensors() -> None:
    old = {f"t{i}": weights(i, (4, 4)) for i in range(500)}
    new = {
        name: array if i % 10 else tuned(array, i) for i, (name, array) in enumerate(old.items())
    }
    patch, stats = patched(safetensors_file(old), safetensors_file(new))
    assert stats.tensors_modified == 50
    # 16 bytes of digest a chunk, and its part of the index.
    assert len(patch) < FRONT + 500 * 40


BASE = safetensors_file(MODEL)
TARGET = safetensors_file(TUNED)


@pytest.mark.parametrize("chunk_size", [1024, 5000, 1 << 20])
@pytest.mark.parametrize("level", [1, 19])
def test_options_change_the_patch_and_not_the_result(chunk_size: int, level: int) -> None:
    one, _ = patched(BASE, TARGET, chunk_size=chunk_size, compression_level=level, threads=1)
    three, _ = patched(BASE, TARGET, chunk_size=chunk_size, compression_level=level, threads=3)
    neural, _ = patched(BASE, TARGET, chunk_size=chunk_size, compression_level=level, neural=True)
    assert one == three == neural


@contextmanager
def as_path(data: bytes, folder: Path) -> Iterator[object]:
    path = folder / f"input {len(list(folder.iterdir()))}"
    path.write_bytes(data)
    yield path


@contextmanager
def as_text_path(data: bytes, folder: Path) -> Iterator[object]:
    with as_path(data, folder) as path:
        yield str(path)


@contextmanager
def as_open_file(data: bytes, folder: Path) -> Iterator[object]:
    with as_path(data, folder) as path, Path(str(path)).open("rb") as file:
        yield file


@contextmanager
def as_file_read_from_the_middle(data: bytes, folder: Path) -> Iterator[object]:
    with as_open_file(b"front matter" + data, folder) as file:
        assert isinstance(file, io.BufferedReader)
        file.seek(len(b"front matter"))
        yield file


@contextmanager
def as_pipe(data: bytes, folder: Path) -> Iterator[object]:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(reading, "rb") as file:
        yield file
    feeder.join()


@contextmanager
def as_path_of_a_pipe(data: bytes, folder: Path) -> Iterator[object]:
    """As a shell's <(...) gives it."""
    with as_pipe(data, folder) as file:
        assert isinstance(file, io.BufferedReader)
        yield f"/dev/fd/{file.fileno()}"


@contextmanager
def as_bytes(data: bytes, folder: Path) -> Iterator[object]:
    yield data


@contextmanager
def as_bytearray(data: bytes, folder: Path) -> Iterator[object]:
    yield bytearray(data)


@contextmanager
def as_memoryview(data: bytes, folder: Path) -> Iterator[object]:
    yield memoryview(data)


@contextmanager
def as_bytes_io(data: bytes, folder: Path) -> Iterator[object]:
    yield io.BytesIO(data)


INPUTS = [
    as_path, as_text_path, as_open_file, as_file_read_from_the_middle, as_pipe,
    as_path_of_a_pipe, as_bytes, as_bytearray, as_memoryview, as_bytes_io,
]  # fmt: skip


@pytest.mark.parametrize("given", INPUTS)
def test_inputs_of_every_kind(given: Callable[..., Any], tmp_path: Path) -> None:
    expected, _ = patched(BASE, TARGET)
    with given(BASE, tmp_path) as old, given(TARGET, tmp_path) as new:
        models.create_patch(old, new, tmp_path / "patch")
    assert (tmp_path / "patch").read_bytes() == expected
    with given(BASE, tmp_path) as old, given(expected, tmp_path) as patch:
        assert models.apply_patch(old, patch, tmp_path / "made").is_valid()
    assert (tmp_path / "made").read_bytes() == TARGET
    with given(BASE, tmp_path) as old, given(expected, tmp_path) as patch:
        assert models.verify_patch(old, patch).is_valid()
    with given(expected, tmp_path) as patch:
        assert models.patch_info(patch).patch_size == len(expected)


def test_outputs_of_every_kind(tmp_path: Path) -> None:
    expected, _ = patched(BASE, TARGET)

    def written(out: IO[bytes]) -> None:
        models.create_patch(BASE, TARGET, out)
        models.apply_patch(BASE, expected, out)

    memory = io.BytesIO(b"")
    written(memory)
    assert memory.getvalue() == expected + TARGET
    for buffering in (-1, 0):
        with (tmp_path / "file").open("wb", buffering=buffering) as file:
            written(file)
        assert (tmp_path / "file").read_bytes() == expected + TARGET

    def everything(end: int) -> bytes:
        with os.fdopen(end, "rb") as file:
            return file.read()

    with ThreadPoolExecutor(1) as pool:
        for buffering in (-1, 0):
            reading, writing = os.pipe()
            received = pool.submit(everything, reading)
            with os.fdopen(writing, "wb", buffering=buffering) as file:
                written(file)
            assert received.result() == expected + TARGET


class Reluctant(io.RawIOBase):
    """A raw file that takes a little at once, as a socket may."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        some = bytes(data[:1000])
        self.taken += some
        return len(some)


def test_an_output_that_takes_little_at_once_gets_everything() -> None:
    out = Reluctant()
    expected, _ = patched(BASE, TARGET)
    models.create_patch(BASE, TARGET, out)  # type: ignore[arg-type]  # any binary file will do
    assert out.taken == expected


def closed_file() -> io.BytesIO:
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize(
    "wrong",
    [None, 3, io.StringIO("text"), closed_file(), memoryview(b"abcd")[::2], "a\0b", [["a"]]],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_file_is_refused(wrong: Any) -> None:
    for call in (
        lambda: models.create_patch(wrong, b"b", io.BytesIO()),
        lambda: models.create_patch(b"a", wrong, io.BytesIO()),
        lambda: models.create_patch(b"a", b"b", wrong),
        lambda: models.apply_patch(b"a", wrong, io.BytesIO()),
        lambda: models.patch_info(wrong),
    ):
        with pytest.raises(InputError, match="expected"):
            call()


@pytest.mark.parametrize(
    "options",
    [
        {"compression_level": 0},
        {"compression_level": 20},
        {"chunk_size": 1023},
        {"chunk_size": (1 << 30) + 1},
        {"threads": 0},
        {"created_at": -1},
        {"created_at": 1.5},
        {"created_at": True},
        {"created_at": 2**63},
        {"metadata": {"a": {1}}},
        {"metadata": {"a": math.nan}},
        {"metadata": [1]},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_and_nothing_is_written(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"expected|metadata"):
        models.create_patch(b"a", b"b", tmp_path / "patch", **options)
    assert list(tmp_path.iterdir()) == []


def test_notes_travel_in_the_header() -> None:
    notes: Mapping[str, Any] = {"run": "r1", "loss": 0.25, "tags": ["a", "b"], "none": None}
    patch, _ = patched(BASE, TARGET, metadata=notes, created_at=1_700_000_000)
    assert models.patch_info(patch).created_at == 1_700_000_000
    assert json.dumps(notes, sort_keys=True, separators=(",", ":")).encode() in patch
    again, _ = patched(BASE, TARGET, metadata=notes, created_at=1_700_000_000)
    assert patch == again


def test_the_quick_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model_v1.tflite").write_bytes(BASE)
    Path("model_v2.tflite").write_bytes(TARGET)
    stats = models.create_patch("model_v1.tflite", "model_v2.tflite", "update.tflp")
    print(f"Patch size: {stats.patch_size} bytes ({stats.compression_ratio:.1f}x compression)")
    result = models.apply_patch("model_v1.tflite", "update.tflp", "model_v2_restored.tflite")
    print(f"Success: {result.is_valid()}")
    verified = models.verify_patch("model_v1.tflite", "update.tflp")
    print(f"Source valid: {verified.source_valid}")
    print(f"Patch valid: {verified.patch_valid}")
    print(f"Expected target: {verified.expected_target.hex()}")
    info = models.patch_info("update.tflp")
    print(f"Format: {info.format}")
    print(f"Source hash: {info.source_hash.hex()}")
    print(f"Target hash: {info.target_hash.hex()}")
    print(f"Patch size: {info.patch_size} bytes")
    print(f"Tensors modified: {info.tensors_modified}")
    print(f"Tensors unchanged: {info.tensors_unchanged}")
    print(f"Compression: {info.compression}")
    print(f"Signed: {info.signed}")
    size = Path("update.tflp").stat().st_size
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Patch size: {size} bytes ({len(TARGET) / size:.1f}x compression)"
    assert lines[1:4] == ["Success: True", "Source valid: True", "Patch valid: True"]
    assert lines[5] == "Format: safetensors"
    assert lines[4].split()[-1] == lines[7].split()[-1]  # both name the target
    assert lines[-1] == "Signed: False"
    assert Path("model_v2_restored.tflite").read_bytes() == TARGET
    with pytest.raises(SourceHashMismatch, match="wrong base"):
        models.apply_patch("model_v2.tflite", "update.tflp", "output.tflite")


def test_pairs_of_models_at_once(tmp_path: Path) -> None:
    """As the quick start's batch: many patches from one process, on threads."""
    for name, seed in (("a", 1), ("b", 2), ("c", 3), ("d", 4)):
        (tmp_path / f"{name}.v1").write_bytes(safetensors_file(layer(seed)))
        (tmp_path / f"{name}.v2").write_bytes(safetensors_file(all_tuned(layer(seed))))

    def process(name: str) -> bytes:
        patch = tmp_path / f"{name}.patch"
        models.create_patch(tmp_path / f"{name}.v1", tmp_path / f"{name}.v2", patch)
        models.apply_patch(tmp_path / f"{name}.v1", patch, tmp_path / f"{name}.made")
        return (tmp_path / f"{name}.made").read_bytes()

    mask = os.umask(0o027)
    os.umask(0o027)
    try:
        with ThreadPoolExecutor(4) as pool:
            for name, made in zip("abcd" * 5, pool.map(process, "abcd" * 5), strict=True):
                assert made == (tmp_path / f"{name}.v2").read_bytes()
        assert os.umask(0o027) == 0o027  # of the process, and left alone
        assert (tmp_path / "a.patch").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(mask)
