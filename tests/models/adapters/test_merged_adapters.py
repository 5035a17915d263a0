"""Merged adapters, from two tensors or files to a patch and back."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sapwood import Patch, _kernel, apply_patch, apply_patch_to_chunks, create_patch, models
from sapwood.codec import Coding
from sapwood.codec.chunk import uses_edges
from sapwood.patch.applying.decoding import ChunkJob, chunk_jobs
from sapwood.patch.applying.predictors import unpacked_factors
from sapwood.patch.format.front import Segment
from sapwood.patch.format.predictions import BlendEntry, FactorsEntry
from sapwood.tensors import DType
from support.payload_cases import element_of
from support.reference_codec import decode_residual
from support.reference_prediction import LowRank, predicted, rounded, widened
from support.reference_tables import parse_tables
from support.strategies import numpy_type, word_type

Words = npt.NDArray[Any]
ROWS, COLUMNS, RANK = 512, 384, 6


def merged(dtype: DType, *, each: bool = False, seed: int = 1) -> tuple[Words, Words]:
    """Words of a base, and of the base with an adapter merged into it."""
    rng = np.random.default_rng(seed)
    base = rounded_to(rng.normal(0, 0.02, (ROWS, COLUMNS)), dtype)
    adapter = rng.normal(0, 1, (ROWS, RANK)) @ rng.normal(0, 1, (RANK, COLUMNS))
    update = adapter * (1e-3 / adapter.std())
    if each:
        update = widened(rounded_to(update, dtype), dtype).reshape(update.shape)
    values = widened(base, dtype).reshape(update.shape).astype(np.float64)
    return base, rounded_to(values + update, dtype)


def rounded_to(values: npt.NDArray[np.float64], dtype: DType) -> Words:
    working = np.float64 if dtype is DType.F32 else np.float32
    return rounded(values.astype(working).reshape(-1), dtype)


def held(words: Words, dtype: DType) -> Any:
    return words.astype(word_type(dtype)).view(numpy_type(dtype)).reshape(ROWS, COLUMNS)


def only_segment(patch: Patch) -> tuple[Segment, BlendEntry, FactorsEntry]:
    """The segment of a tensor's patch, which must have factors."""
    (segment,) = patch.opened.front.segments
    assert isinstance(segment.prediction, BlendEntry)
    assert isinstance(segment.prediction.factors, FactorsEntry)
    return segment, segment.prediction, segment.prediction.factors


@pytest.mark.parametrize(
    ("dtype", "each", "times"),
    [
        (DType.BF16, False, 4),
        (DType.BF16, True, 4),
        (DType.F16, False, 3),
        (DType.F16, True, 3),
    ],
)
def test_a_merged_adapter_is_found_and_comes_back(dtype: DType, each: bool, times: float) -> None:
    base, target = (held(words, dtype) for words in merged(dtype, each=each))
    patch = create_patch(base, target, threads=1)
    _, prediction, factors = only_segment(patch)
    assert factors.rank == RANK
    assert [term.coefficient for term in prediction.terms] == [1.0]
    assert apply_patch(base, patch, threads=1).tobytes() == target.tobytes()
    without = create_patch(base, target, threads=1, low_rank=False)
    assert times * len(patch) < len(without)


def test_what_is_found_does_not_hang_on_threads() -> None:
    base, target = (held(words, DType.BF16) for words in merged(DType.BF16))
    assert create_patch(base, target, threads=1) == create_patch(base, target, threads=3)


def test_a_stream_of_chunks_is_enough_to_apply_it() -> None:
    base, target = merged(DType.BF16)
    patch = create_patch(
        held(base, DType.BF16), held(target, DType.BF16), chunk_size=16 << 10, threads=1
    )
    segment, *_ = only_segment(patch)
    assert len(segment.chunks) > 3
    pieces = [one.tobytes() for one in np.array_split(base, 7)]
    assert b"".join(apply_patch_to_chunks(pieces, patch, threads=2)) == target.tobytes()


def test_the_same_patch_gives_the_same_bytes_on_every_path_and_by_the_references() -> None:
    base, target = merged(DType.BF16)
    patch = create_patch(held(base, DType.BF16), held(target, DType.BF16), threads=1)
    segment, prediction, entry = only_segment(patch)
    (job,) = chunk_jobs(patch.opened, [segment])
    assert job.chunk.coding is Coding.RESIDUAL
    for path in _kernel.paths():
        assert decoded(job, patch, base, path) == target.tobytes()
    payload = patch.opened.body[: entry.size]
    left, right = unpacked_factors(entry, payload).effective()
    words, edges = predicted(
        DType.BF16, [base], [1.0], LowRank(left, right, entry.exponent), each=prediction.each
    )
    found = decode_residual(
        element_of(DType.BF16),
        job.payload.tobytes(),
        words.tolist(),
        segment.row_length,
        [parse_tables(one) for one in patch.opened.front.tables],
        edges.tolist() if uses_edges(job.chunk.coding, job.payload) else None,
    )
    assert found == target.tolist()


def decoded(job: ChunkJob, patch: Patch, base: Words, path: int) -> bytes:
    """A chunk whose prediction is computed by one path of the kernel."""
    blend = job.predictor.blend
    assert blend is not None
    data = base.astype("<u2").view(np.uint8)
    out, edges = np.zeros_like(data), np.zeros(len(base), np.uint8)
    _kernel.predict(
        blend.dtype.code,
        [data],
        list(blend.coefficients),
        blend.factors,
        0,
        blend.each,
        out,
        edges,
        path,
    )
    row, tables = job.segment.row_length, list(patch.opened.tables)
    _kernel.decode_residual(blend.dtype.code, job.payload, out, out, row, tables, path, edges)
    return out.tobytes()


def test_an_update_without_a_low_rank_part_is_predicted_from_the_base() -> None:
    rng = np.random.default_rng(3)
    base, _ = merged(DType.BF16)
    target = base + rng.integers(-2, 3, base.shape).astype(base.dtype)
    patch = create_patch(held(base, DType.BF16), held(target, DType.BF16), threads=1)
    plain = create_patch(
        held(base, DType.BF16), held(target, DType.BF16), threads=1, low_rank=False
    )
    assert patch == plain


def test_tensors_of_a_file_have_their_own_updates() -> None:
    first, second = (merged(DType.BF16, seed=seed) for seed in (1, 2))
    bases = {"a.weight": first[0], "b.weight": second[0], "c.bias": first[0][:COLUMNS]}
    targets = {"a.weight": first[1], "b.weight": second[1], "c.bias": first[0][:COLUMNS]}
    base, target = safetensors(bases), safetensors(targets)
    out = io.BytesIO()
    models.create_patch(base, target, out, threads=2)
    found = io.BytesIO()
    assert models.apply_patch(
        base, out.getvalue(), found, receiving=models.Receiving(threads=2)
    ).is_valid()
    assert found.getvalue() == target
    plain = io.BytesIO()
    models.create_patch(base, target, plain, low_rank=False)
    assert 4 * len(out.getvalue()) < len(plain.getvalue())


def safetensors(tensors: dict[str, Words]) -> bytes:
    """A safetensors file of bf16 tensors."""
    fields = {}
    at = 0
    for name, words in tensors.items():
        shape = [ROWS, COLUMNS] if name.endswith("weight") else [len(words)]
        fields[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + words.nbytes]}
        at += words.nbytes
    header = json.dumps(fields).encode()
    return (
        len(header).to_bytes(8, "little") + header + b"".join(w.tobytes() for w in tensors.values())
    )
