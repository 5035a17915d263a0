"""Templates that name data, and the data: random bytes, longer than what is asked for first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from support.template_folders import write_template

FILES = {"tests/a.py": "one\n"}
CONTENT = np.random.default_rng(5).bytes(300_000)
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])  # as long, and not the same


def entry(
    *urls: str,
    name: str = "digits",
    file: str = "digits.bin",
    content: bytes = CONTENT,
    size: int | None = None,
) -> str:
    """An entry of a manifest."""
    return f"""
[[data]]
name = "{name}"
file = "{file}"
sha256 = "{hashlib.sha256(content).hexdigest()}"
size = {len(content) if size is None else size}
urls = [{", ".join(f'"{url}"' for url in urls)}]
"""


def template_with(folder: Path, entries: Sequence[str], version: str = "1.0.0") -> Path:
    """A template that names data."""
    return write_template(folder, version, FILES, more="".join(entries))


def kept(cache: Path) -> dict[str, int]:
    """What a cache holds: sizes by name, locks left out."""
    return {
        path.name: path.stat().st_size
        for path in cache.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
