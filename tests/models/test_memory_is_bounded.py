"""Memory depends on chunks and threads, not on the size of the files or on what a patch claims."""

from __future__ import annotations

import dataclasses
import filecmp
import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from sapwood.errors import SapwoodError
from sapwood.patch.format.parsing import parse_front
from sapwood.patch.format.serialising import serialise_front
from support.model_files import patched, safetensors_file

SIZE = 256 << 20  # bytes of the model
TENSORS = 16
LIMIT = 256  # MiB of anonymous memory, as the design promises for any size
EXPECTED = 100  # MiB; about 40 are measured

MEASURE = """
import sys, threading, time
from sapwood import models
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024
two = models.Receiving(threads=2)
def peak(call):
    before = highest = anonymous()
    thread = threading.Thread(target=call)
    thread.start()
    while thread.is_alive():
        highest = max(highest, anonymous())
        time.sleep(0.002)
    thread.join()
    print(highest - before)
"""

PATCHING = """
peak(lambda: models.create_patch("base", "target", "patch", threads=2))
peak(lambda: models.apply_patch("base", "patch", "made", receiving=two))
"""

CHAINING = """
for i in range(3):
    models.create_patch(f"v{i}", f"v{i + 1}", f"{i}.patch", threads=2, low_rank=False)
peak(lambda: models.create_chain(["0.patch", "1.patch"], "chain"))
peak(lambda: models.append_to_chain("chain", "2.patch"))
peak(lambda: models.apply_chain("v0", "chain", "made", receiving=two))
peak(lambda: models.squash_chain("v0", "chain", "squashed", low_rank=False, receiving=two))
"""


def measured(folder: Path, script: str) -> list[float]:
    """MiB of anonymous memory at the peak of each call, over what was before."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE + script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.split()]


def header(size: int = SIZE) -> bytes:
    """Of a safetensors file of bf16 matrices."""
    each = size // TENSORS
    tensors = {
        f"layers.{i}.weight": {
            "dtype": "BF16",
            "shape": [each // 4096, 2048],
            "data_offsets": [i * each, (i + 1) * each],
        }
        for i in range(TENSORS)
    }
    text = json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text


def test_a_large_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(SIZE // TENSORS // 2, dtype=np.float32) * np.float32(0.02)
    steps = rng.standard_normal(len(values), dtype=np.float32) * np.float32(1e-4)
    for name, floats in (("base", values), ("target", values + steps)):
        words = (floats.view(np.uint32) >> 16).astype(np.uint16)  # bf16, cut off
        with (tmp_path / name).open("wb") as file:
            file.write(header())
            for i in range(TENSORS):
                file.write(np.roll(words, 4099 * i).data)
    peaks = measured(tmp_path, PATCHING)
    assert (tmp_path / "made").stat().st_size == (tmp_path / "target").stat().st_size
    assert (tmp_path / "patch").stat().st_size < SIZE // 4
    assert models.patch_info(tmp_path / "patch").tensors_modified == TENSORS
    assert max(peaks) < LIMIT, peaks
    assert max(peaks) < EXPECTED, peaks


def test_a_chain_through_large_models(tmp_path: Path) -> None:
    size = SIZE // 2
    rng = np.random.default_rng(2)
    words = rng.integers(0x3C00, 0x3D00, size // TENSORS // 2, dtype=np.uint16)
    for i in range(4):
        with (tmp_path / f"v{i}").open("wb") as file:
            file.write(header(size))
            for n in range(TENSORS):
                file.write(np.roll(words, 4099 * n).data)
        words[i::7] += 1
    peaks = measured(tmp_path, CHAINING)
    assert (tmp_path / "made").read_bytes() == (tmp_path / "v3").read_bytes()
    assert len(peaks) == 4
    assert max(peaks) < EXPECTED, peaks


def test_a_large_folder(tmp_path: Path) -> None:
    """Two shards of the model of `test_a_large_model`, cut at another place, and small files."""
    rng = np.random.default_rng(2)
    values = rng.standard_normal(SIZE // 8, dtype=np.float32) * np.float32(0.02)
    steps = rng.standard_normal(len(values), dtype=np.float32) * np.float32(1e-4)
    names = [f"layers.{i}" for i in range(16)]
    for folder, floats, cut in (("base", values, 8), ("target", values + steps, 5)):
        words = (floats.view(np.uint32) >> 16).astype(np.uint16).view(np.float16)
        tensors = dict(zip(names, words.reshape(16, -1, 1024), strict=True))
        (tmp_path / folder).mkdir()
        for shard, own in (("a", names[:cut]), ("b", names[cut:])):
            held = safetensors_file({name: tensors[name] for name in own})
            (tmp_path / folder / shard).write_bytes(held)
        for i in range(200):
            (tmp_path / folder / f"{i}.txt").write_bytes(bytes([i]) * 5000)
    peaks = measured(tmp_path, PATCHING)
    for path in (tmp_path / "target").iterdir():
        assert filecmp.cmp(path, tmp_path / "made" / path.name, shallow=False)
    assert models.patch_info(tmp_path / "patch").tensors_modified == len(names)
    assert max(peaks) < EXPECTED, peaks


@pytest.mark.parametrize("size", [1 << 30, 1 << 50, 2**63 - 1])
def test_a_patch_that_claims_a_huge_target_is_refused_at_once(size: int) -> None:
    patch, _ = patched(b"base" * 100, b"target" * 100)
    front = parse_front(patch)
    huge = dataclasses.replace(front.header.target, size=size)
    claims = dataclasses.replace(front.header, target=huge)
    (segment,) = front.segments
    larger = dataclasses.replace(segment, shape=(size,))
    chunked = dataclasses.replace(larger, chunk_elements=1 << 26)
    body = patch[front.size :]
    for segments in ([segment], [larger], [chunked], [segment] * 3, []):
        hostile = (
            serialise_front(claims, segments, front.tables, front.body_size, front.body_digest)
            + body
        )
        assert_refused_cheaply(hostile)


def test_a_preamble_that_claims_a_huge_front_is_refused_at_once() -> None:
    patch, _ = patched(b"base" * 100, b"target" * 100)
    for at in (12, 16, 20, 24):  # sizes of header, index, unpacked index and tables
        assert_refused_cheaply(patch[:at] + b"\xff\xff\xff\x7f" + patch[at + 4 :])
        assert_refused_cheaply(patch[:at] + b"\xff\xff\xff\x0f" + patch[at + 4 :])
    assert_refused_cheaply(patch[:32] + b"\xff" * 8 + patch[40:])  # and of the body


def assert_refused_cheaply(hostile: bytes) -> None:
    """With one of our errors, within a second, and without a MiB of memory."""
    tracemalloc.start()
    begin = time.monotonic()
    with pytest.raises(SapwoodError):
        models.verify_patch(b"base" * 100, hostile)
    with pytest.raises(SapwoodError):
        models.patch_info(hostile)
    seconds = time.monotonic() - begin
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
    assert seconds < 1
