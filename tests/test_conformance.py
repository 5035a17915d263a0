"""The conformance vectors, read as another implementation would read them."""

from __future__ import annotations

import io
import json
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sapwood import Patch, apply_patch, apply_patch_to_chunks, errors, inspect_patch, models
from sapwood.codec import Coding
from sapwood.patch.applying import open_patch
from sapwood.tensors import DType
from strategies import numpy_type

FOLDER = Path(__file__).parents[1] / "conformance"
LISTED = FOLDER / "cases.json"
MOST_BYTES = 700_000


def cases(kind: str) -> list[Any]:
    """The cases of a kind; none where the corpus is missing, which one test tells."""
    if not LISTED.exists():
        return []
    found: list[Any] = json.loads(LISTED.read_text(encoding="utf-8"))[kind]
    return found


@cache
def content(name: str) -> bytes:
    return (FOLDER / "data" / name).read_bytes()


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
        models.apply_patch(base, patch, out, threads=1)
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
        models.apply_patch(old, patch, new, threads=1)
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


def test_the_corpus_is_present() -> None:
    valid, invalid = cases("valid"), cases("invalid")
    assert len(valid) >= 100
    assert len(invalid) >= 120
    assert len({case["name"] for case in [*valid, *invalid]}) == len(valid) + len(invalid)
    used = {case[field] for case in valid for field in ("base", "target", "patch")}
    used |= {case[field] for case in invalid for field in ("base", "patch")}
    used |= {name for case in valid for name in case.get("bases", ())}
    assert used == {path.name for path in (FOLDER / "data").iterdir()}
    assert sum(path.stat().st_size for path in (FOLDER / "data").iterdir()) < MOST_BYTES


def test_every_coding_type_and_kind_of_error_occurs() -> None:
    valid = cases("valid")
    assert {c for case in valid for one in case["codings"] for c in one} == set(Coding)
    assert {case["inspection"]["dtype"] for case in valid} - {None} == {d.label for d in DType}
    coded = {
        (case["inspection"]["dtype"], case["codings"][0])
        for case in valid
        if case["inspection"]["dtype"] and len(case["codings"]) == 1
    }
    for dtype in DType:
        letters = {one for label, one in coded if label == dtype.label}
        assert letters >= {"u", "s", "v"} if dtype.family == "float" else {"u", "s"}
    for dtype in DType:
        for mode in ("none", "one", "row"):
            names = {case["name"] for case in valid}
            assert f"{dtype}-residual-{mode}" in names
            assert f"{dtype}-sparse-{mode}" in names
    assert {case["error"] for case in cases("invalid")} == {
        "InvalidPatch",
        "TruncatedPatch",
        "UnsupportedPatch",
        "LimitExceeded",
        "SourceHashMismatch",
        "TargetHashMismatch",
    }


@pytest.mark.parametrize("case", cases("valid"), ids=lambda case: case["name"])
def test_a_valid_patch_gives_its_target(case: dict[str, Any]) -> None:
    patch = content(case["patch"])
    bases = [content(name) for name in case.get("bases", [case["base"]])]
    found = applied(bases, patch, case["inspection"])
    assert found == content(case["target"])


@pytest.mark.parametrize("case", cases("valid"), ids=lambda case: case["name"])
def test_a_valid_patch_says_what_is_listed(case: dict[str, Any]) -> None:
    patch = content(case["patch"])
    found = inspect_patch(patch)
    assert {field: found[field] for field in case["inspection"]} == case["inspection"]
    segments = open_patch(np.frombuffer(patch, np.uint8)).front.segments
    assert ["".join(c.coding.value for c in s.chunks) for s in segments] == case["codings"]


@pytest.mark.parametrize("case", cases("invalid"), ids=lambda case: case["name"])
def test_an_invalid_patch_is_refused_as_listed(case: dict[str, Any]) -> None:
    found = refused(content(case["base"]), content(case["patch"]))
    assert found == (case["stage"], case["error"])
