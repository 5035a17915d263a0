"""The yardstick of applying: copy the target to a new file and hash it on the way."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BLOCK = 1 << 20  # bytes


def copy_with_sha256(source: Path, out: Path) -> str:
    """Reads, hashes, writes and syncs; returns the SHA-256 in hex."""
    digest = hashlib.sha256()
    buffer = bytearray(BLOCK)
    with source.open("rb", buffering=0) as reader, out.open("wb", buffering=0) as writer:
        while count := reader.readinto(buffer):
            block = memoryview(buffer)[:count]
            digest.update(block)
            writer.write(block)
        os.fsync(writer.fileno())
    return digest.hexdigest()
