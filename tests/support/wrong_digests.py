"""A patch of a small model, and the same with digests that are wrong where its front is right."""

from __future__ import annotations

import dataclasses

from sapwood.patch.format.front import Front
from sapwood.patch.format.parsing import parse_front
from sapwood.patch.format.serialising import serialise_front
from support.model_files import layer, patched, safetensors_file, tuned, weights

OLD = layer(1) | {"big": weights(3, (512, 256))}
BASE = safetensors_file(OLD)
TARGET = safetensors_file({name: tuned(array, i) for i, (name, array) in enumerate(OLD.items())})
PATCH, _ = patched(BASE, TARGET, chunk_size=16384)
FRONT = parse_front(PATCH)


def written_anew(front: Front) -> bytes:
    """A patch with another front and digests that are right again."""
    head = serialise_front(
        front.header, front.segments, front.tables, front.body_size, front.body_digest
    )
    return head + PATCH[FRONT.size :]


def with_wrong_target() -> bytes:
    target = dataclasses.replace(FRONT.header.target, sha256=bytes(32))
    header = dataclasses.replace(FRONT.header, target=target)
    return written_anew(dataclasses.replace(FRONT, header=header))


def with_wrong_last_chunk() -> bytes:
    *others, last = FRONT.segments
    chunks = (*last.chunks[:-1], dataclasses.replace(last.chunks[-1], digest=bytes(16)))
    segments = (*others, dataclasses.replace(last, chunks=chunks))
    return written_anew(dataclasses.replace(FRONT, segments=segments))
