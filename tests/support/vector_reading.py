"""Conformance vectors, read as another implementation would read them."""

from __future__ import annotations

import io
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sapwood import Patch, apply_patch, apply_patch_to_chunks, errors, inspect_patch, models
from sapwood.tensors import DType
from support.strategies import numpy_type


def tensor(data: bytes, inspection: dict[str, Any]) -> Any:
    """The elements as the header says; bytes as they are."""
    dtype = DType.named(inspection["dtype"])
    if dtype is DType.BYTES and len(inspection["shape"]) == 1:
        return data
    bare = np.dtype(np.uint8) if dtype is DType.BYTES else numpy_type(dtype)
    return np.frombuffer(data, bare).reshape(inspection["shape"])


def applied(bases: list[bytes], patch: bytes, inspection: dict[str, Any]) -> bytes:
    """The target, through the reader that the patch's kind asks for."""
    (base, *more) = bases
    if inspection["kind"] == "folder":
        return applied_folder(base, patch, inspection)
    if inspection["kind"] == "model":
        out = io.BytesIO()
        models.apply_patch(bases[::-1], patch, out, receiving=models.Receiving(threads=1))
        return out.getvalue()
    if more:
        tensors = [tensor(one, inspection) for one in reversed(bases)]
        return bytes(apply_patch(tensors, patch, threads=1).tobytes())
    if inspection["dtype"] == "bytes" and len(inspection["shape"]) != 1:
        return b"".join(apply_patch_to_chunks([base], patch, threads=1))
    found = apply_patch(tensor(base, inspection), patch, threads=1)
    return bytes(found.tobytes())


def applied_folder(base: bytes, patch: bytes, inspection: dict[str, Any]) -> bytes:
    """The target of a patch between folders, whose files are the ones that the header lists."""
    with tempfile.TemporaryDirectory() as name:
        old, new = Path(name, "old"), Path(name, "new")
        old.mkdir()
        at = 0
        for one in inspection["bases"][0]["files"]:
            (old / one["path"]).parent.mkdir(parents=True, exist_ok=True)
            (old / one["path"]).write_bytes(base[at : at + one["size"]])
            at += one["size"]
        models.apply_patch(old, patch, new, receiving=models.Receiving(threads=1))
        made = {path.relative_to(new).as_posix(): path for path in new.rglob("*") if path.is_file()}
        listed = [one["path"] for one in inspection["files"]]
        assert sorted(made) == listed
        for one in inspection["files"]:
            assert made[one["path"]].stat().st_size == one["size"]
            executable = bool(made[one["path"]].stat().st_mode & stat.S_IXUSR)
            assert executable == one.get("executable", False)
        return b"".join(made[path].read_bytes() for path in listed)


def refused(base: bytes, patch: bytes) -> tuple[str, str]:
    """At what stage a patch is refused, and by which error."""
    try:
        Patch.from_bytes(patch)
    except errors.SapwoodError as e:
        return "open", type(e).__name__
    try:
        applied([base], patch, inspect_patch(patch))
    except errors.SapwoodError as e:
        return "apply", type(e).__name__
    raise AssertionError("the patch was applied")
