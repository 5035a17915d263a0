"""The conformance vectors, read as another implementation would read them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from sapwood import inspect_patch
from sapwood.codec import Coding
from sapwood.patch.applying.opening import open_patch
from sapwood.tensors import DType
from support.places import CONFORMANCE
from support.vector_reading import applied, refused

LISTED = CONFORMANCE / "cases.json"
MOST_BYTES = 780_000


def cases(kind: str) -> list[Any]:
    """The cases of a kind; none where the corpus is missing, which one test tells."""
    if not LISTED.exists():
        return []
    found: list[Any] = json.loads(LISTED.read_text(encoding="utf-8"))[kind]
    return found


@cache
def content(name: str) -> bytes:
    return (CONFORMANCE / "data" / name).read_bytes()


def test_the_corpus_is_present() -> None:
    valid, invalid = cases("valid"), cases("invalid")
    assert len(valid) >= 100
    assert len(invalid) >= 120
    assert len({case["name"] for case in [*valid, *invalid]}) == len(valid) + len(invalid)
    used = {case[field] for case in valid for field in ("base", "target", "patch")}
    used |= {case[field] for case in invalid for field in ("base", "patch")}
    used |= {name for case in valid for name in case.get("bases", ())}
    assert used == {path.name for path in (CONFORMANCE / "data").iterdir()}
    assert sum(path.stat().st_size for path in (CONFORMANCE / "data").iterdir()) < MOST_BYTES


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
