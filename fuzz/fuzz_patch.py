"""Fuzzes the reader of patches with atheris.

    python fuzz/fuzz_patch.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/patch

Whatever the bytes: only errors of sapwood.errors come out, also where every digest is
right, and a patch that applies gives the target that its own digests name.
"""

from __future__ import annotations

import functools
import io
import struct
import sys
from collections.abc import Callable

import numpy as np
from blake3 import blake3

from sapwood import Patch, apply_patch, create_patch, inspect_patch
from sapwood.content import zstd
from sapwood.errors import SapwoodError
from sapwood.patch.applying.planes import decode_planes
from sapwood.patch.format.front import FileDigest
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.making.building import Builder, Options
from sapwood.patch.making.segments import SegmentSource
from sapwood.patch.tensor import tensor_header
from sapwood.prediction.payload import decode_factors
from sapwood.tensors import DType, TensorSpec
from sapwood.tensors.block_types import BLOCK_TYPES

PREAMBLE = struct.Struct("<8sHHIIIIIQ32s32s")
ELEMENTS = 300
WORDS = np.random.default_rng(1).integers(0x2000, 0x3C00, ELEMENTS, dtype=np.uint16)


def one_input(data: bytes) -> None:
    """One run: `data` as a patch, and as a change to a good one whose digests are then right."""
    attempt(data)
    refused(factors, data)
    refused(planes, data)
    if data:
        for patch in changed_patches(data[0], data[1:]):
            attempt(patch)


def attempt(patch: bytes) -> None:
    """Reads a patch in every way; anything but our errors is a finding."""
    for read in (inspect_patch, Patch.from_bytes):
        refused(read, patch)
    raw = WORDS.view(np.uint8)
    for one in (WORDS.view(np.float16), WORDS, raw, raw.tobytes()):
        refused(lambda data, one=one: apply_patch(one, data, threads=1), patch)


def factors(data: bytes) -> None:
    """Reads the payload of factors of a few shapes; what comes out is within its bounds."""
    payload = np.frombuffer(data, np.uint8)
    for shape in ((1, 1, 1, 1), (2, 3, 40, 24)):
        shifts = (len(data) % 32,) * (2 * shape[0] * shape[1])
        found = decode_factors(payload, shape, shifts, -20, 8)
        if not found.within_bounds():
            raise AssertionError("factors beyond their bounds")


def planes(data: bytes) -> None:
    """Reads the payload of blocks of a type that the first byte chooses."""
    kind = list(BLOCK_TYPES.values())[data[0] % len(BLOCK_TYPES) if data else 0]
    base = np.resize(WORDS.view(np.uint8), 6 * kind.nbytes)
    payload = np.frombuffer(data[1:], np.uint8)
    for prediction in (base, None):
        decode_planes(kind, payload, prediction, np.empty_like(base), 2 * kind.nbytes, ())


def refused(read: Callable[[bytes], object], patch: bytes) -> None:
    """Runs a reader that may raise our errors."""
    try:
        read(patch)
    except SapwoodError as e:
        if len(str(e)) > 2000:
            raise AssertionError("an error that pours out the patch") from e


def changed_patches(choice: int, data: bytes) -> list[bytes]:
    """Good patches with a part replaced by `data`, or with `data` inside of it."""
    patches = good_patches()
    base, target, patch = patches[choice % len(patches)]
    parts = taken_apart(patch)
    part = (choice // len(patches)) % len(parts)
    whole = [*parts[:part], data, *parts[part + 1 :]]
    at = int.from_bytes(data[:2], "little") % (len(parts[part]) + 1)
    patched = parts[part][:at] + data[2:] + parts[part][at + len(data) - 2 :]
    if part == len(parts) - 1:
        check_result(base, target, written([*parts[:part], patched[: len(parts[part])]]))
    return [written(whole), written([*parts[:part], patched, *parts[part + 1 :]])]


def check_result(base: object, target: bytes, patch: bytes) -> None:
    """With another body, and the index as it was, only the target may come out."""
    try:
        found = apply_patch(base, patch, threads=1)
    except SapwoodError:
        return
    if found.tobytes() != target:
        raise AssertionError("wrong data")


@functools.cache
def good_patches() -> tuple[tuple[object, bytes, bytes], ...]:
    """(base, target's bytes, patch) with different codings."""
    rng = np.random.default_rng(2)
    dense = (WORDS + rng.integers(-2, 3, ELEMENTS)).astype(np.uint16)
    sparse = WORDS.copy()
    sparse[7] += 1
    turned = np.roll(WORDS, 100)
    old, new = (rng.normal(0, 0.02, 900).astype(np.float16) for _ in range(2))
    pairs: list[tuple[object, object]] = [
        (WORDS.view(np.float16), one.view(np.float16)) for one in (dense, sparse, turned)
    ]
    merged = (np.float32(0.3) * old + np.float32(0.7) * new).astype(np.float16)
    pairs += [
        (old, new),
        ([old, new], merged),
        (WORDS, np.repeat(WORDS[:3], 100)),
        (WORDS.tobytes(), turned.tobytes()),
    ]
    return (
        *(
            (base, bytes(memoryview(target).cast("B")), made(base, target))
            for base, target in pairs
        ),
        blocks(),
    )


def blocks() -> tuple[object, bytes, bytes]:
    """The same of a tensor of blocks of q4_0, whose scales and quants changed."""
    rng = np.random.default_rng(3)
    base = np.zeros((64, 18), np.uint8)
    base[:, 1] = 0x2C  # scales of about 0.06
    base[:, 2:] = rng.binomial(15, 0.5, (64, 16)) * 17
    target = base.copy()
    target[::3, 0] += 40
    target[rng.random(target.shape) < 0.05] ^= 1
    old, new = base.reshape(-1), target.reshape(-1)
    spec = TensorSpec(DType.U8, (len(new),))
    source = SegmentSource(
        "", spec.dtype, spec.shape, new, (BaseRange(0, 0),), blocks=BLOCK_TYPES["q4_0"]
    )
    digests = [FileDigest(len(one), blake3(one.data).digest()) for one in (old, new)]
    out = io.BytesIO()
    with io.BytesIO() as spool:
        Builder([old], [source], Options()).code(spool).write(
            lambda: tensor_header(spec, digests[:1], digests[1], {}), spool, out
        )
    return old, new.tobytes(), out.getvalue()


def made(base: object, target: object) -> bytes:
    """The patch between two tensors."""
    return create_patch(base, target, threads=1).to_bytes()


def taken_apart(patch: bytes) -> list[bytes]:
    """Header, index (unpacked), tables and body."""
    _, _, _, header, index, unpacked, tables, _, body, _, _ = PREAMBLE.unpack_from(patch)
    parts = []
    at = PREAMBLE.size
    for size in (header, index, tables, body):
        parts.append(patch[at : at + size])
        at += size
    parts[1] = zstd.decompress(parts[1], unpacked)
    return parts


def written(parts: list[bytes]) -> bytes:
    """A patch of these parts, with digests that are right."""
    header, index, tables, body = parts
    packed = zstd.compress(index, 1)
    sizes = (len(header), len(packed), len(index), len(tables), 0, len(body))
    digest = blake3(body).digest()
    magic = b"\x89TTP\r\n\x1a\n"
    front = PREAMBLE.pack(magic, 1, 0xFEFF, *sizes, digest, bytes(32)) + header + packed + tables
    name = blake3(front[: PREAMBLE.size - 32] + front[PREAMBLE.size :]).digest()
    return front[: PREAMBLE.size - 32] + name + front[PREAMBLE.size :] + body


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
