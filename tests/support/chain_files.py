"""Versions of a small model, patches between them both ways, and chains of those."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
from collections.abc import Sequence
from typing import Any

from blake3 import blake3

from sapwood import models
from sapwood.models import Chain
from support.model_files import layer, safetensors_file, tuned

BLOCK = 64  # bytes, of the preamble and of heads; records are padded to it


@functools.cache
def versions(count: int = 4) -> tuple[bytes, ...]:
    """Files of one size, each a little training after the one before."""
    tensors = layer(1)
    found = []
    for i in range(count):
        found.append(safetensors_file(tensors))
        tensors = {
            name: tuned(array, 10 * i + j) for j, (name, array) in enumerate(tensors.items())
        }
    return tuple(found)


@functools.cache
def patch_between(base: bytes, target: bytes) -> bytes:
    return made(base, target)


def made(base: bytes, target: bytes, **options: Any) -> bytes:
    """The patch between two files."""
    out = io.BytesIO()
    models.create_patch(base, target, out, threads=1, **options)
    return out.getvalue()


def patches(files: Sequence[bytes]) -> list[bytes]:
    """The patch from each file to the next."""
    return [patch_between(a, b) for a, b in itertools.pairwise(files)]


def backs(files: Sequence[bytes]) -> list[bytes]:
    """The patch from each file but the first to the one before."""
    return [patch_between(b, a) for a, b in itertools.pairwise(files)]


@functools.cache
def chain_of(files: tuple[bytes, ...], reverse: bool = True) -> bytes:
    """A chain through files, with a way back or without one."""
    out = io.BytesIO()
    models.create_chain(patches(files), out, reverse=backs(files) if reverse else ())
    return out.getvalue()


def opened(chain: bytes) -> Chain:
    return models.chain_info(chain)


def spans(chain: bytes) -> list[tuple[int, int]]:
    """Where each record begins and ends, its head and padding included."""
    found = []
    for link in opened(chain).links:
        end = link.offset + link.size
        found.append((link.offset - BLOCK, end + -end % BLOCK))
    return found


@dataclasses.dataclass(frozen=True)
class Record:
    """A record to be written as it is, right or wrong."""

    patch: bytes
    kind: int = 1
    zero: int = 0
    size: int | None = None
    name: bytes | None = None
    padding: bytes | None = None

    def written(self) -> bytes:
        size = len(self.patch) if self.size is None else self.size
        name = self.patch[72:104] if self.name is None else self.name
        numbers = ((self.kind, 4), (self.zero, 4), (size, 8))
        fields = b"".join(n.to_bytes(width, "little") for n, width in numbers) + name
        head = fields + blake3(fields).digest(16)
        padding = bytes(-len(self.patch) % BLOCK) if self.padding is None else self.padding
        return head + self.patch + padding


START = (
    b"\x89TTC\r\n\x1a\n" + (1).to_bytes(2, "little") + (0xFEFF).to_bytes(2, "little") + bytes(52)
)


def written(*records: Record, start: bytes = START) -> bytes:
    """A chain of these records, written by the specification alone."""
    return start + b"".join(one.written() for one in records)
