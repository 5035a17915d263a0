"""Hostile chains: records that no honest writer puts together, with the error of each."""

from __future__ import annotations

import io

import numpy as np

from sapwood import create_patch, models
from sapwood.errors import (
    InvalidPatch,
    LimitExceeded,
    SapwoodError,
    TruncatedPatch,
    UnsupportedPatch,
)
from support.chain_files import (
    BLOCK,
    START,
    Record,
    backs,
    patches,
    written,
)

# Small files: every prefix and every bit of a chain of theirs is tried.
FILES = (b"the first version", b"the second version", b"the third, which is longer than that")
ONE, TWO = (Record(patch) for patch in patches(FILES))
BACK, BACK_TWO = (Record(patch, kind=2) for patch in backs(FILES))
PATCH = ONE.patch


def merged() -> bytes:
    """A patch of two bases."""
    out = io.BytesIO()
    models.create_patch([FILES[0], FILES[1]], FILES[2], out)
    return out.getvalue()


def with_front(patch: bytes, at: int, value: int) -> bytes:
    """A patch with another byte in its front."""
    return patch[:at] + bytes([value]) + patch[at + 1 :]


HOSTILE: dict[str, tuple[bytes, type[SapwoodError]]] = {
    "nothing at all": (b"", TruncatedPatch),
    "no chain": (b"GGUF" + bytes(100), InvalidPatch),
    "a patch": (PATCH, InvalidPatch),
    "a later version": (written(ONE, start=START[:8] + b"\2" + START[9:]), UnsupportedPatch),
    "the other byte order": (
        written(ONE, start=START[:10] + START[11:9:-1] + START[12:]),
        InvalidPatch,
    ),
    "a preamble in use": (written(ONE, start=START[:-1] + b"\1"), InvalidPatch),
    "no link": (START, TruncatedPatch),
    "an unwritten link alone": (START + bytes(5 * BLOCK), TruncatedPatch),
    "a reverse first": (written(BACK), InvalidPatch),
    "a link after none of its base": (written(ONE, ONE), InvalidPatch),
    "links in another order": (written(TWO, ONE), InvalidPatch),
    "two reverses": (written(ONE, BACK, BACK), InvalidPatch),
    "a reverse of another link": (written(ONE, TWO, BACK), InvalidPatch),
    "a reverse that leads on": (written(ONE, Record(TWO.patch, kind=2)), InvalidPatch),
    "kind 0": (written(Record(PATCH, kind=0)), UnsupportedPatch),
    "kind 3": (written(ONE, Record(TWO.patch, kind=3)), UnsupportedPatch),
    "a reserved field in use": (written(Record(PATCH, zero=1)), UnsupportedPatch),
    "a patch of nothing": (written(Record(PATCH, size=0)), InvalidPatch),
    "a patch said to be shorter": (written(Record(PATCH, size=len(PATCH) - 1)), InvalidPatch),
    "a patch said to be longer": (
        written(Record(PATCH, size=len(PATCH) + 1), TWO),
        InvalidPatch,
    ),
    "a patch of 2^63 bytes": (written(Record(PATCH, size=1 << 63)), TruncatedPatch),
    "a patch of 2^64 - 1 bytes": (written(Record(PATCH, size=(1 << 64) - 1)), TruncatedPatch),
    "another patch's name": (written(Record(PATCH, name=TWO.patch[72:104])), InvalidPatch),
    "padding in use": (written(Record(PATCH, padding=b"\1" * (-len(PATCH) % BLOCK))), InvalidPatch),
    "a head with a wrong check": (
        START + ONE.written()[:63] + b"\0" + ONE.written()[64:],
        InvalidPatch,
    ),
    "a patch with a damaged front": (written(Record(with_front(PATCH, 120, 0))), InvalidPatch),
    "a patch with a header of 4 GiB": (
        written(Record(PATCH[:12] + b"\xff" * 4 + PATCH[16:])),
        LimitExceeded,
    ),
    "a patch of a later version": (written(Record(with_front(PATCH, 8, 9))), UnsupportedPatch),
    "a patch of a tensor": (
        written(Record(create_patch(np.zeros(9), np.ones(9)).to_bytes())),
        InvalidPatch,
    ),
    "a patch of two bases": (written(Record(merged())), InvalidPatch),
    "bytes that are no patch": (written(Record(b"x" * 200)), InvalidPatch),
}
