"""Digests of content. What each of them needs is loaded when it is first computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sapwood.content.content import Content


def blake3_digest(content: Content, threads: int = 1) -> bytes:
    """The BLAKE3 of a content, 32 bytes, computed by at most so many threads."""
    # Here, since what hashes with SHA-256 alone loads neither.
    from blake3 import blake3

    from sapwood.content.parts import stripes

    hasher = blake3(max_threads=threads)
    for stripe in stripes(content):
        hasher.update(stripe.data)
    return hasher.digest()


def raw_hash(stripes: Iterable[bytes]) -> str:
    """The SHA-256 of bytes in order, as "sha256:" and its hexadecimal digits."""
    hasher = hashlib.sha256()
    for stripe in stripes:
        hasher.update(stripe)
    return f"sha256:{hasher.hexdigest()}"
