"""What is signed: a few lines of text that say which patch leads from what to what."""

from __future__ import annotations

from sapwood.patch.format.front import VERSION, FileDigest, Header
from sapwood.trust.ed25519 import ALGORITHM

STATEMENT = "sapwood-signature/v1"


def statement(patch: bytes, header: Header, key: bytes, counter: int) -> bytes:
    """The bytes that a key signs.

    Args:
        patch: the digest that names the patch without signatures, 32 bytes. It binds every
            byte of the rest: header, index with the digest of each chunk, tables, and the
            body by its digest.
        header: of the patch.
        key: the id of the key, 16 bytes.
        counter: 0 to 2^63 - 1.

    Returns:
        ASCII lines. No value can hold a line end, so that no two statements are alike.
    """
    lines = [
        STATEMENT,
        f"format {VERSION}",
        f"patch {patch.hex()}",
        *(f"base {named(base)}" for base in header.bases),
        f"target {named(header.target)}",
        f"algorithm {ALGORITHM}",
        f"key {key.hex()}",
        f"counter {counter}",
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def named(file: FileDigest) -> str:
    """A base or the target by size and BLAKE3."""
    return f"{file.size} {file.blake3.hex()}"
