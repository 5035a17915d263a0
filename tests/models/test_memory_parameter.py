"""`Receiving.memory` is kept: measured, and refused beforehand where it cannot be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sapwood import models
from sapwood.codec import Coding
from sapwood.content.zstd import compress, window_of
from sapwood.errors import InputError, LimitExceeded
from sapwood.models.receiving.memory import FITTING, LEAST, crossing, file_ends, fitting_threads
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch, open_patch
from sapwood.patch.applying.predictors import blend_factors
from sapwood.patch.applying.scratch import decoding_memory
from sapwood.patch.format.predictions import GivenFactors, Matrix
from sapwood.prediction.requantising import QUANTISERS
from sapwood.tensors import DType
from support.blend_patches import coefficient_hex
from support.cli_session import Session
from support.gguf_files import model as gguf_model, quantised
from support.http_servers import FileServer
from support.model_files import patched, safetensors_file, tuned, weights
from support.recipe_patches import recipe_parts
from support.strategies import numpy_type

SIZE = 104 << 20  # bytes of the large pairs
MIB = 1 << 20

# Everything is imported, and a small patch applied, before the measurement begins.
MEASURE = """
import sys, threading, time
from pathlib import Path
from sapwood import models
base, patch, *rest = sys.argv[1:]
models.apply_patch("small.base", sys.argv[3] + "small", "made")
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024
def peak(call):
    before = highest = anonymous()
    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():
        highest = max(highest, anonymous())
        time.sleep(0.002)
    thread.join()
    print(highest - before)
receiving = models.Receiving(memory=16 << 20)
url = sys.argv[3] + patch
peak(lambda: models.apply_patch(base, patch, "made", receiving=receiving))
peak(lambda: models.apply_patch(base, url, "resumed", resume=True, receiving=receiving))
peak(lambda: models.extract_tensors(base, url, "some", "*", receiving=receiving))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large pairs with few changes: of one type that is coded densely, of one of bytes."""
    folder = tmp_path_factory.mktemp("large")
    random = np.random.default_rng(3)
    words = random.integers(0, 1 << 16, SIZE // 2, np.uint16)
    changed = words.copy()
    changed[:: 1 << 10] ^= 1
    for name, array in (("base", words), ("target", changed)):
        head = safetensors_file({"a": np.empty((0, 1024), np.uint16)})
        text = head[8:].replace(b"[0,1024]", f"[{SIZE // 2048},1024]".encode())
        text = text.replace(b"[0,0]", f"[0,{SIZE}]".encode())
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.write(array.data)
    models.create_patch(folder / "base", folder / "target", folder / "patch")
    (folder / "small.base").write_bytes(b"small")
    models.create_patch(b"small", b"smaller", folder / "small")
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[FileServer]:
    with FileServer(folder) as server:
        yield server


def test_a_large_patch_is_applied_within_16_mib(folder: Path, server: FileServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "base", "patch", server.url("")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    peaks = [int(line) for line in done.stdout.split()]
    assert len(peaks) == 3
    assert max(peaks) <= LEAST, peaks
    target = (folder / "target").read_bytes()
    assert (folder / "made").read_bytes() == target
    assert (folder / "resumed").read_bytes() == target
    assert (folder / "some").read_bytes()[-SIZE:] == target[-SIZE:]


OLD = {f"layers.{i}": weights(i, (2048, 1024)) for i in range(3)}
BASE = safetensors_file(OLD)
TARGET = safetensors_file({name: tuned(array, 1) for name, array in OLD.items()})


def with_chunks(size: int) -> bytes:
    out = io.BytesIO()
    models.create_patch(BASE, TARGET, out, chunk_size=size, low_rank=False)
    return out.getvalue()


def test_what_does_not_fit_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    joined = safetensors_file({"all": np.concatenate([*OLD.values()] * 2)})
    out = io.BytesIO()
    models.create_patch(b"other", joined, out, chunk_size=64 * MIB)
    calls: list[int] = []

    def count(done: int, total: int) -> None:
        calls.append(done)

    for call in (
        lambda: models.apply_patch(
            b"other",
            out.getvalue(),
            tmp_path / "out",
            receiving=models.Receiving(memory=LEAST, progress=count),
        ),
        lambda: models.verify_patch(
            b"other", out.getvalue(), receiving=models.Receiving(memory=LEAST, progress=count)
        ),
        lambda: models.extract_tensors(
            b"other",
            out.getvalue(),
            tmp_path / "out",
            "all",
            receiving=models.Receiving(memory=LEAST, progress=count),
        ),
    ):
        with pytest.raises(LimitExceeded, match=r"\d+ (bytes|are allowed)"):
            call()
    assert calls == []
    assert list(tmp_path.iterdir()) == []


def test_memory_decides_how_many_threads_decode() -> None:
    opened = open_patch(np.frombuffer(with_chunks(4 * MIB), np.uint8))
    counts = [fitting_threads(opened, size * MIB, 8) for size in (16, 24, 64, 1024)]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] == 8
    assert fitting_threads(opened, None, 8) == 8


def test_tensors_are_loaded_within_memory() -> None:
    model = models.load_patched(
        BASE, with_chunks(4 * MIB), receiving=models.Receiving(memory=LEAST)
    )
    assert model["layers.1"].tobytes() == tuned(OLD["layers.1"], 1).tobytes()


@pytest.mark.parametrize("memory", [0, -1, LEAST - 1, 1 << 63, 1.5, "16MiB"])
def test_too_little_and_what_is_no_number_are_refused(memory: int) -> None:
    patch = with_chunks(MIB)
    for call in (
        lambda: models.apply_patch(
            BASE, patch, io.BytesIO(), receiving=models.Receiving(memory=memory)
        ),
        lambda: models.verify_patch(BASE, patch, receiving=models.Receiving(memory=memory)),
        lambda: models.load_patched(BASE, patch, receiving=models.Receiving(memory=memory)),
        lambda: models.extract_tensors(
            BASE, patch, io.BytesIO(), "*", receiving=models.Receiving(memory=memory)
        ),
    ):
        with pytest.raises(InputError, match="expected memory in bytes from 16777216"):
            call()


def chunk_memory(opened: OpenPatch) -> dict[Coding, int]:
    """The most that decoding takes beside the target, by coding."""
    found: dict[Coding, int] = {}
    for segment in opened.front.segments:
        at = segment.body_offset + segment.factors_size
        for chunk, begin, end in segment.spans():
            payload = opened.body[at : at + chunk.size]
            taken = decoding_memory(opened.front, segment, chunk, end - begin, payload)
            found[chunk.coding] = max(found.get(chunk.coding, 0), taken)
            at += chunk.size
    return found


def test_what_a_sparse_chunk_takes_is_told_by_its_changes() -> None:
    old = np.random.default_rng(1).integers(-99, 99, (1024, 1024)).astype(np.int8)
    sizes = []
    for step in (50, 500):
        new = old.copy()
        new.reshape(-1)[::step] += 1
        patch, _ = patched(safetensors_file({"a": old}), safetensors_file({"a": new}))
        sizes.append(chunk_memory(open_patch(np.frombuffer(patch, np.uint8)))[Coding.SPARSE])
    many, few = sizes
    changes = old.size // 50
    assert 4 * changes <= many < 4 * changes + (1 << 19)
    assert few < many


@pytest.mark.parametrize("size", [1, 255, 256, 65791, 65792, 1 << 20, (1 << 22) + 1])
def test_windows_are_read_from_frames(size: int) -> None:
    frame = memoryview(compress(bytes(size), 3))
    most = 1 << 21  # of that level
    assert min(size, most) <= window_of(frame, size) <= max(1024, min(2 * size, most))
    assert window_of(frame[:3], size) >= window_of(frame, size)


def test_the_command_line_takes_memory(tmp_path: Path) -> None:
    here = Session(tmp_path)
    (tmp_path / "a").write_bytes(BASE)
    (tmp_path / "p").write_bytes(with_chunks(4 * MIB))
    here.succeed("apply --base a --patch p --out b --memory 16MiB")
    assert here.bytes("b") == TARGET
    here.succeed("verify --base a --patch p --memory 20MB --threads 2")
    for size in ("15MiB", "1", "", "lots"):
        assert "16MiB or more" in here.fail(f"apply --base a --patch p --out c --memory={size}", 2)


def test_what_blocks_take_is_told_before_they_are_taken_apart() -> None:
    rows = np.random.default_rng(2).standard_normal((512, 4096))
    drift = np.random.default_rng(3).standard_normal(rows.shape) * 0.01
    old, new = (gguf_model({"blocks": quantised(one)}) for one in (rows, rows + drift))
    patch, _ = patched(old, new)
    opened = open_patch(np.frombuffer(patch, np.uint8))
    told = chunk_memory(opened)[Coding.BLOCKS]
    bases = [np.frombuffer(old, np.uint8)]
    place = np.empty(len(new), np.uint8)
    tracemalloc.start()
    for _ in decode_chunks(opened, bases, lambda begin, end: place[begin:end], 1):
        pass
    _, most = tracemalloc.get_traced_memory()  # of NumPy's; the kernel's own is not seen
    tracemalloc.stop()
    assert place.tobytes() == new
    assert most <= told <= 3 * most


@pytest.mark.parametrize("source", ["bf16", "f16", "f32", "f64"])
@pytest.mark.parametrize("target", ["bf16", "f16", "f32", "f64", "q8_0", "q4_0"])
def test_what_conversions_take_is_told(source: str, target: str) -> None:
    dtype = DType.named(source)
    if source == target or (source == "f64" and target in QUANTISERS):
        return
    blocks = target in QUANTISERS
    wanted = DType.U8 if blocks else DType.named(target)
    # Subnormal numbers of binary16 take the most.
    base = (np.random.default_rng(1).standard_normal(1 << 18) * 1e-6).astype(numpy_type(dtype))
    made = np.zeros(1 << 18, numpy_type(wanted)).tobytes()
    if blocks:
        made = bytes((1 << 18) // 32 * QUANTISERS[target].nbytes)
    kind: dict[str, Any] = {"kind": "quantise", "type": target} if blocks else {"kind": "cast"}
    prediction = {"base": 0, "from": source, "offset": 0, **kind}
    parts = recipe_parts([base.tobytes()], made, wanted, prediction)
    opened = open_patch(np.frombuffer(parts.write(), np.uint8))
    told = chunk_memory(opened)[Coding.COPY]
    place = np.empty(len(made), np.uint8)
    bases = [base.view(np.uint8)]
    tracemalloc.start()
    for _ in decode_chunks(opened, bases, lambda a, b: place[a:b], 1, checked=False):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= told <= 5 * most


@pytest.mark.parametrize("shape", [(1024, 20_000), (20_000, 1024)])
@pytest.mark.parametrize("layout", ["plain", "transposed"])
def test_what_a_given_adapter_takes_is_told(shape: tuple[int, int], layout: str) -> None:
    rows, columns = shape
    rank = 16
    numbers = rank * (rows + columns)
    adapter = np.random.default_rng(1).standard_normal(numbers).astype(np.float16).view(np.uint8)
    sides = Matrix(0, 0, DType.F16), Matrix(0, 2 * rank * rows, DType.F16)
    entry = GivenFactors(*sides, layout == "transposed", rows, columns, rank, 0.5)
    tracemalloc.start()
    blend_factors(entry, np.empty(0, np.uint8), [adapter])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 4 * numbers * FITTING + (1 << 16)


def test_what_is_copied_of_folders_is_told() -> None:
    """Bases of several terms, and elements that are wider than what is made of them."""
    words = np.zeros(1 << 18, np.float32)
    terms = [{"base": i, "offset": 0, "coefficient": coefficient_hex(0.5)} for i in range(2)]
    cases: list[tuple[list[bytes], bytes, DType, dict[str, Any]]] = [
        (
            [words.tobytes(), words[::-1].tobytes()],
            words.tobytes(),
            DType.F32,
            {"kind": "blend", "rounding": "once", "terms": terms, "factors": None},
        ),
        (
            [words.tobytes()],
            bytes(len(words) // 32 * 18),
            DType.U8,
            {"kind": "quantise", "type": "q4_0", "base": 0, "from": "f32", "offset": 0},
        ),
    ]
    for bases, target, dtype, prediction in cases:
        parts = recipe_parts(bases, target, dtype, prediction)
        parts.header["kind"] = "folder"
        for one in parts.header["bases"]:
            one["files"] = [{"path": "a", "size": 2}, {"path": "b", "size": one["size"] - 2}]
        front = open_patch(np.frombuffer(parts.write(), np.uint8)).front
        (segment,) = front.segments
        ends = file_ends(front)
        assert crossing(ends, segment, 0, len(target)) == 2 * sum(map(len, bases))
        # The rest lies in one file.
        half = len(target) // 2
        assert crossing(ends, segment, half, len(target)) < 2 * sum(map(len, bases)) // 2
        assert crossing([[] for _ in bases], segment, 0, len(target)) == 0
