"""Some tensors of a target as a file: the right ones, readable by others, and nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings, strategies as st

from sapwood import models
from sapwood.errors import InputError, SapwoodError, SignatureError, SourceHashMismatch
from sapwood.fetching.pace import DEFAULT_PACE
from sapwood.patch.format.parsing import parse_front
from sapwood.tensors import DType
from support.cli_session import Session
from support.gguf_files import model as gguf_model, quantised
from support.http_servers import FileServer
from support.loaded_models import patch_of
from support.model_files import patched, safetensors_file, tuned, weights, with_header
from support.strategies import NUMPY_TYPES

OLD = {
    f"layers.{i}.{end}": weights(10 * i + n, shape, dtype)
    for i in range(12)
    for n, (end, shape, dtype) in enumerate(
        [
            ("attention", (128, 256), DType.BF16),
            ("mlp", (256, 128), DType.F32),
            ("norm[0]", (256,), DType.F16),
        ]
    )
}
NEW = {
    name: array if name.startswith("layers.3.") else tuned(array, 1) for name, array in OLD.items()
} | {"new head": weights(99, (32, 32), DType.F32)}
BASE, TARGET = safetensors_file(OLD), safetensors_file(NEW)
PATCH, _ = patched(BASE, TARGET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patch").write_bytes(PATCH)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[FileServer]:
    with FileServer(folder) as server:
        yield server


def raw(data: bytes) -> dict[str, tuple[str, list[int], bytes]]:
    """Type, shape and bytes of each tensor of a safetensors file without holes."""
    end = 8 + int.from_bytes(data[:8], "little")
    at = 0
    found = {}
    for name, entry in json.loads(data[8:end]).items():
        assert entry["data_offsets"][0] == at
        at = entry["data_offsets"][1]
        body = data[end + entry["data_offsets"][0] : end + at]
        found[name] = (entry["dtype"], entry["shape"], body)
    assert end + at == len(data)
    return found


WHOLE = raw(TARGET)


def extracted(names: str | list[str], **options: Any) -> bytes:
    out = io.BytesIO()
    receiving = models.Receiving(**options)
    written = models.extract_tensors(BASE, PATCH, out, names, receiving=receiving)
    assert list(raw(out.getvalue())) == list(written.tensors)
    assert int.from_bytes(out.getvalue()[:8], "little") % 8 == 0
    return out.getvalue()


@settings(max_examples=30)
@given(st.lists(st.sampled_from(sorted(NEW)), min_size=1, max_size=12), st.sampled_from([1, 2]))
def test_any_choice_gives_those_tensors_in_file_order(names: list[str], threads: int) -> None:
    found = raw(extracted(names, threads=threads))
    assert found == {name: WHOLE[name] for name in WHOLE if name in names}
    assert list(found) == [name for name in WHOLE if name in names]


def test_patterns_and_names_with_brackets() -> None:
    assert list(raw(extracted("layers.1.*"))) == [
        f"layers.1.{end}" for end in ("attention", "mlp", "norm[0]")
    ]
    assert list(raw(extracted("layers.7.norm[0]"))) == ["layers.7.norm[0]"]
    assert len(raw(extracted(["layers.?.mlp", "new*"]))) == 11
    assert raw(extracted("*")) == WHOLE
    for names in ("layers.99.*", ["layers.1.mlp", "Layers.1.MLP"], [], [3], ""):
        with pytest.raises(InputError, match=r"expected a name|names of tensors"):
            extracted(names)  # type: ignore[arg-type]


def test_the_library_of_the_format_reads_it(tmp_path: Path) -> None:
    names = [name for name, array in NEW.items() if array.dtype != NUMPY_TYPES[DType.BF16]]
    models.extract_tensors(BASE, PATCH, tmp_path / "some", names)
    found = safetensors.numpy.load_file(tmp_path / "some")
    assert set(found) == set(names)
    assert all(np.array_equal(found[name], NEW[name]) for name in names)


def test_only_their_parts_are_fetched(folder: Path, server: FileServer) -> None:
    segments = {one.name: one for one in parse_front(PATCH).segments}
    names = [f"layers.{i}.{end}" for i in (8, 9, 11) for end in ("attention", "mlp")]
    out = io.BytesIO()
    models.extract_tensors(BASE, server.url("patch"), out, names)
    assert raw(out.getvalue()) == {name: WHOLE[name] for name in names}
    first, *rest = server.exchanges
    assert first.sent == DEFAULT_PACE.head
    assert sum(one.sent for one in rest) == sum(segments[name].payload_size for name in names)
    assert len(rest) == 3  # each layer's two lie side by side
    server.exchanges.clear()
    models.extract_tensors(BASE, server.url("patch"), io.BytesIO(), "layers.3.*")
    assert len(server.exchanges) == 1  # unchanged: all of it is in the base


def test_a_patch_without_names_gives_them_too() -> None:
    old = {"a": weights(1, (64, 64)), "b": weights(2, (64, 64))}
    new = {**old, "b": old["b"].copy()}
    new["b"][3, 4] += 1
    patch = patch_of(safetensors_file(old), safetensors_file(new), by_tensors=False)
    assert not any(one.name for one in parse_front(patch).segments)
    out = io.BytesIO()
    assert models.extract_tensors(safetensors_file(old), patch, out, "b").tensors == ("b",)
    assert raw(out.getvalue()) == {"b": raw(safetensors_file(new))["b"]}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    public, _ = models.generate_keypair()
    damaged = PATCH[:-1] + bytes([PATCH[-1] ^ 1])
    calls: list[tuple[bytes, bytes, dict[str, object], type[SapwoodError]]] = [
        (TARGET, PATCH, {}, SourceHashMismatch),
        (BASE, damaged, {}, SapwoodError),
        (BASE, PATCH, {"receiving": models.Receiving(models.Trust(public))}, SignatureError),
        (BASE, b"", {}, SapwoodError),
    ]
    for base, patch, options, error in calls:
        with pytest.raises(error):
            models.extract_tensors(base, patch, tmp_path / "out", "*", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_types_that_are_not_known_are_told(tmp_path: Path) -> None:
    def model(seed: int) -> bytes:
        size = 1 << 16
        header = {
            "known": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]},
            "unknown": {"dtype": "F4", "shape": [2 * size], "data_offsets": [size, 2 * size]},
        }
        random = np.random.default_rng(seed).integers(0, 3 + seed, 2 * size)
        return with_header(header, random.astype(np.uint8).tobytes())

    old, new = model(1), model(2)
    patch, _ = patched(old, new)
    assert models.extract_tensors(old, patch, tmp_path / "out", "known").tensors == ("known",)
    for names in ("unknown", "*"):
        with pytest.raises(InputError, match="'unknown': its elements are of a type"):
            models.extract_tensors(old, patch, tmp_path / "other", names)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_blocks_of_gguf_are_rows_of_bytes() -> None:
    rows = np.random.default_rng(1).standard_normal((64, 4096))
    old, new = (gguf_model({"blocks": quantised(rows * n)}) for n in (1, 1.01))
    patch, _ = patched(old, new)
    out = io.BytesIO()
    models.extract_tensors(old, patch, out, "blocks")
    made = {"blocks": ("U8", [64, 4352], quantised(rows * 1.01).tobytes())}
    assert raw(out.getvalue()) == made


def test_the_command_line(folder: Path, server: FileServer) -> None:
    here = Session(folder)
    (folder / "base").write_bytes(BASE)
    for patch in ("patch", server.url("patch")):
        command = f"apply --base base --patch {patch} --tensor layers.2.* --tensor new?head"
        facts = here.json(f"{command} --out some --memory 64MiB")
        assert facts["tensors"] == [*(n for n in NEW if n.startswith("layers.2.")), "new head"]
        assert raw(here.bytes("some")) == {name: WHOLE[name] for name in facts["tensors"]}
        assert b"4 tensors, checked" in here.succeed(f"{command} --out some")
        assert raw(here.succeed(f"{command} --out - --quiet")) == raw(here.bytes("some"))
    command = "apply --base base --patch - --tensor layers.2.mlp --out some"
    here.succeed(command, stdin=PATCH)
    assert raw(here.bytes("some")) == {"layers.2.mlp": WHOLE["layers.2.mlp"]}
    told = here.fail("apply --base base --patch patch --tensor layers.2.mlb --out x", 2)
    assert "near: 'layers.2.mlp'" in told
    assert "--tensor" in here.fail("apply --base base --patch patch --tensor a --force --out x", 2)
    assert "base" in here.fail("apply --base base --patch patch --tensor *mlp --out base", 2)
