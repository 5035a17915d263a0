"""Templates that have a file only as a patch, for tests."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from sapwood import models
from sapwood.files.sources import Source
from support.template_folders import write_template

MODEL, PATCH, OTHER = "weights/encoder.safetensors", "patches/encoder.ttp", "tests/a.py"


def entry(base: str, target: bytes, **fields: object) -> str:
    """A line of a manifest that names a patch and what it leads to."""
    known: dict[str, object] = {
        "path": MODEL,
        "base": base,
        "patch": PATCH,
        "sha256": hashlib.sha256(target).hexdigest(),
        "size": len(target),
    }
    lines = [f"{name} = {value!r}" for name, value in (known | fields).items()]
    return "\n".join(["[[patches]]", *lines, ""])


def patch_between(old: Source, new: Source) -> bytes:
    """A patch of model files or folders."""
    out = io.BytesIO()
    models.create_patch(old, new, out)
    return out.getvalue()


def release(
    folder: Path, version: str, old: bytes, new: bytes, base: str, **fields: object
) -> Path:
    """A template that has the model only as a patch."""
    files: dict[str, str | bytes] = {PATCH: patch_between(old, new), OTHER: f"{version}\n"}
    return write_template(folder, version, files, more=entry(base, new, **fields))
