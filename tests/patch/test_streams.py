"""Tensors larger than memory: patches are made and applied over iterators of buffers."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import (
    Patch,
    apply_patch,
    apply_patch_to_chunks,
    create_patch,
    create_patch_from_chunks,
    errors,
    inspect_patch,
)
from sapwood.tensors import DType
from support.patch_cases import bits, changed, pairs, words_of_normals
from support.strategies import dtypes

FEW = settings(max_examples=60)


def cut(data: bytes, lengths: list[int]) -> Iterator[memoryview]:
    """The data in buffers of these lengths, again and again, one reused memory for all."""
    memory = bytearray(max(lengths, default=1) or 1)
    at = turn = 0
    while at < len(data):
        part = data[at : at + lengths[turn % len(lengths)]]
        memory[: len(part)] = part
        yield memoryview(memory)[: len(part)]
        at += len(part)
        turn += 1


def lengths() -> st.SearchStrategy[list[int]]:
    """Of buffers: odd ones, empty ones, ones longer than a chunk."""
    sizes = st.sampled_from([0, 1, 3, 7, 1000, 1024, 4099, 1 << 20])
    return st.lists(sizes, min_size=1, max_size=4).map(lambda found: [*found, 513])


def streamed(base: Any, target: Any, **options: Any) -> bytes:
    """The patch between two arrays, made from one buffer each."""
    out = io.BytesIO()
    dtype = options.pop("dtype", None) or create_patch(base, base).inspect()["dtype"]
    size = create_patch_from_chunks(
        [bits(base)], [bits(target)], out, dtype=dtype, shape=base.shape, **options
    )
    assert size == len(out.getvalue())
    return out.getvalue()


def joined(parts: Iterable[memoryview]) -> bytes:
    return b"".join(bytes(part) for part in parts)


@FEW
@given(st.data(), dtypes(), lengths(), lengths(), st.sampled_from([1024, 4096, 1 << 22]))
def test_buffers_of_any_lengths_become_a_patch_that_every_reader_applies(
    data: st.DataObject, dtype: DType, first: list[int], second: list[int], chunk_size: int
) -> None:
    base, target = data.draw(pairs(dtype))
    out = io.BytesIO()
    out.write(b"before")
    size = create_patch_from_chunks(
        cut(bits(base), first),
        cut(bits(target), second),
        out,
        dtype=dtype.label,
        shape=list(base.shape),
        chunk_size=chunk_size,
        threads=1,
        metadata={"step": 3},
    )
    assert out.getvalue()[:6] == b"before"
    patch = out.getvalue()[6:]
    assert len(patch) == size
    assert bits(apply_patch(base, patch, threads=1)) == bits(target)
    assert joined(apply_patch_to_chunks(cut(bits(base), second), patch, threads=1)) == bits(target)
    told = inspect_patch(patch)
    assert told["metadata"] == {"step": 3}
    assert told["dtype"] == dtype.label
    assert told["shape"] == list(base.shape)
    whole = create_patch(base, target, chunk_size=chunk_size, threads=1).inspect()
    for field in ("base_checksum", "target_checksum", "base_size", "target_size", "counts"):
        assert told[field] == whole[field]


@FEW
@given(st.data(), dtypes(), lengths(), st.booleans())
def test_patches_of_whole_tensors_apply_to_a_stream(
    data: st.DataObject, dtype: DType, sizes: list[int], compress: bool
) -> None:
    base, target = data.draw(pairs(dtype))
    patch = create_patch(base, target, chunk_size=1024, compress=compress, threads=1)
    for form in (patch, patch.to_bytes(), memoryview(patch.to_bytes())):
        found = joined(apply_patch_to_chunks(cut(bits(base), sizes), form, threads=3))
        assert found == bits(target)


@FEW
@given(st.data(), dtypes(), st.booleans())
def test_the_patch_does_not_depend_on_threads(
    data: st.DataObject, dtype: DType, compress: bool
) -> None:
    base, target = data.draw(pairs(dtype))
    one, three = (
        streamed(base, target, dtype=dtype, chunk_size=1024, compress=compress, threads=threads)
        for threads in (1, 3)
    )
    assert one == three
    assert Patch.from_bytes(one).to_bytes() == one


def example(n: int = 5000, seed: int = 1) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    base = words_of_normals(DType.F32, n, seed)
    return base.view(np.float32), changed(base, "dense", seed).view(np.float32)


def test_a_stream_costs_little_more_than_the_whole() -> None:
    base, target = example(1 << 18)
    whole = create_patch(base, target, chunk_size=1 << 18)
    assert len(streamed(base, target, chunk_size=1 << 18)) < 1.05 * len(whole)


def test_a_patch_file_is_applied_by_its_path(tmp_path: Path) -> None:
    base, target = example()
    path = tmp_path / "patch"
    with path.open("wb") as file:
        create_patch_from_chunks([base], [target], file, dtype="f32", shape=(5000,))
    assert joined(apply_patch_to_chunks([base], path)) == target.tobytes()
    assert joined(apply_patch_to_chunks([base], str(path))) == target.tobytes()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.TruncatedPatch):
        apply_patch_to_chunks([base], path)
    path.write_bytes(b"")
    with pytest.raises(errors.TruncatedPatch):
        apply_patch_to_chunks([base], path)
    with pytest.raises(errors.IoError, match="absent"):
        apply_patch_to_chunks([base], tmp_path / "absent")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("place", [0, 2500, 4999])
def test_a_wrong_base_is_told_before_the_stream_ends(place: int, threads: int) -> None:
    base, target = example()
    wrong = base.copy()
    wrong.view(np.uint32)[place] ^= 1  # as large as before: residuals still decode
    patch = streamed(base, target, chunk_size=1024)
    for one in (patch, create_patch(base, target, chunk_size=1024)):
        found = bytearray()
        parts = apply_patch_to_chunks([wrong], one, threads=threads)
        with pytest.raises(errors.SourceHashMismatch, match="wrong base"):
            found.extend(byte for part in parts for byte in part)
        assert target.tobytes().startswith(found)
        assert len(found) < target.nbytes
    forced = joined(apply_patch_to_chunks([wrong], patch, force=True, threads=threads))
    assert len(forced) == target.nbytes


def test_force_ends_where_nothing_can_be_decoded() -> None:
    base, target = example()
    for patch in (streamed(base, target), create_patch(base, target)):
        why = "force does not help here: how residual chunks are coded"
        with pytest.raises(errors.SourceHashMismatch, match=why):
            joined(apply_patch_to_chunks([base * np.float32(1e9)], patch, force=True))
        with pytest.raises(errors.SourceHashMismatch, match=why):
            apply_patch(base * np.float32(1e9), patch, force=True)


def test_a_wrong_base_is_told_where_no_chunk_depends_on_it() -> None:
    base, target = example()
    patch = streamed(base, -target, chunk_size=1024, compress=False)
    with pytest.raises(errors.SourceHashMismatch):
        joined(apply_patch_to_chunks([base + 1], patch))
    assert joined(apply_patch_to_chunks([base + 1], patch, force=True)) == (-target).tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 19999])
def test_an_iterator_that_is_cut_off_or_goes_on_is_refused(size: int, threads: int) -> None:
    base, target = (bits(one) for one in example())
    out = io.BytesIO()

    def create(old: bytes, new: bytes) -> None:
        create_patch_from_chunks(
            cut(old, [777]),
            cut(new, [1 << 20]),
            out,
            dtype="f32",
            shape=[5000],
            chunk_size=1024,
            threads=threads,
        )

    with pytest.raises(
        errors.InputError, match=f"the base ends after {size} bytes, expected 20000"
    ):
        create(base[:size], target)
    with pytest.raises(errors.InputError, match="the target ends"):
        create(base, target[:size])
    with pytest.raises(errors.InputError, match="the base goes on"):
        create(base + b"\0", target)
    with pytest.raises(errors.InputError, match="the target goes on"):
        create(base, target + target[:size] + b"\0")
    assert out.getvalue() == b""
    create(base, target)
    patch = out.getvalue()
    with pytest.raises(errors.InputError, match="the base ends"):
        joined(apply_patch_to_chunks([base[:size]], patch, threads=threads))
    with pytest.raises(errors.InputError, match="the base goes on"):
        joined(apply_patch_to_chunks([base, b"", b"\0"], patch, threads=threads))


def test_what_is_no_buffer_dtype_or_shape_is_refused() -> None:
    def create(chunk: Any, dtype: Any = "f32", shape: Any = (2,), **options: Any) -> None:
        chunks = [chunk]
        create_patch_from_chunks(chunks, chunks, io.BytesIO(), dtype=dtype, shape=shape, **options)

    eight = bytes(8)
    create(eight)
    create(np.zeros(2, np.float32))
    create(np.zeros((2, 1), np.int32).data)
    for chunk in ("text", 5, None, np.zeros(4, np.float32)[::2], np.zeros(2, ">f4")):
        with pytest.raises(errors.InputError, match="expected the base as contiguous buffers"):
            create(chunk)
    for dtype in ("float32", "", None, 3):
        with pytest.raises(errors.InputError, match="expected a dtype among bf16"):
            create(eight, dtype)
    for shape in ((-2,), (1.0,), (1,) * 65):
        with pytest.raises(errors.InputError, match="expected a shape"):
            create(eight, shape=shape)
    with pytest.raises(errors.InputError, match="chunk_size"):
        create(eight, chunk_size=1000)
    with pytest.raises(errors.InputError, match="thread"):
        create(eight, threads=0)
    with pytest.raises(errors.InputError, match="metadata"):
        create(eight, metadata={"a": object()})


def test_errors_of_the_callers_iterator_come_through_untouched() -> None:
    def failing() -> Iterator[bytes]:
        yield bytes(4)
        raise OSError("the cable")

    with pytest.raises(OSError, match="the cable"):
        create_patch_from_chunks(failing(), [bytes(8)], io.BytesIO(), dtype="f32", shape=(2,))
    patch = streamed(np.zeros(2, np.float32), np.ones(2, np.float32))
    with pytest.raises(OSError, match="the cable"):
        joined(apply_patch_to_chunks(failing(), patch))


def test_a_full_disk_is_our_error() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(errors.IoError, match="No space left on device"):
        create_patch_from_chunks([bytes(8)], [bytes(8)], Full(), dtype="f32", shape=(2,))


def test_a_patch_that_copies_from_anywhere_needs_the_whole_base() -> None:
    base = np.random.default_rng(1).bytes(4000)
    patch = create_patch(base, base[1000:] + base[:1000])
    with pytest.raises(errors.InputError, match="apply_patch"):
        apply_patch_to_chunks([base], patch)


def test_damage_is_told_by_the_call() -> None:
    base, target = example()
    patch = bytearray(streamed(base, target))
    patch[-1] ^= 1
    with pytest.raises(errors.InvalidPatch, match="body"):
        apply_patch_to_chunks([base], bytes(patch))
    with pytest.raises(errors.InputError, match="found int"):
        apply_patch_to_chunks([base], 7)  # type: ignore[arg-type]


def test_opaque_bytes_stream_too() -> None:
    base = np.random.default_rng(1).bytes(40_000)
    target = base[:20_000] + b"changed" + base[20_007:]
    out = io.BytesIO()
    create_patch_from_chunks([base], [target], out, dtype="bytes", shape=(40_000,), chunk_size=4096)
    assert len(out.getvalue()) < 4096 + 2000
    assert joined(apply_patch_to_chunks([base], out.getvalue())) == target
    assert apply_patch(base, out.getvalue()).tobytes() == target


MEMORY_SCRIPT = """
import resource, sys, tempfile
import numpy as np
from sapwood import apply_patch_to_chunks, create_patch_from_chunks

PIECES, PIECE = 96, 1 << 20

def pieces(salt):
    for i in range(PIECES):
        words = np.random.default_rng(i).integers(0, 1 << 16, PIECE // 2, dtype=np.uint16)
        yield words & 0x3FFF | 0x2000 if not salt else ((words & 0x3FFF | 0x2000) + (words & 1))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB on Linux

def run(count):
    with tempfile.NamedTemporaryFile() as file:
        first = [next(iter(pieces(salt))) for salt in (0, 1)]
        chunks = ([first[0]], [first[1]]) if count == 1 else (pieces(0), pieces(1))
        size = PIECE * count // 2
        create_patch_from_chunks(*chunks, file, dtype="u16", shape=(size,), chunk_size=1 << 20,
                                 threads=2)
        file.flush()
        base = [first[0]] if count == 1 else pieces(0)
        made = sum(len(c) for c in apply_patch_to_chunks(base, file.name, threads=2))
        assert made == PIECE * count, made

run(1)  # all code and tables are loaded then
before = peak()
run(PIECES)
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_tensor() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # 96 MiB each way; a few chunks of 1 MiB with what they are measured by, and the
    # mapped pages of the patch file, which the system counts too.
    assert int(done.stdout) < 64


def test_the_temporary_file_is_gone_after_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(errors.InputError):
        create_patch_from_chunks([bytes(4)], [bytes(4)], io.BytesIO(), dtype="f32", shape=(2,))
    assert list(tmp_path.iterdir()) == []
