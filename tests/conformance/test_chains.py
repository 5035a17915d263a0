"""The vectors in conformance/chains: chains that every reader takes, and chains that none does."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest

from sapwood import models
from support.chain_facts import facts, refused
from support.places import CONFORMANCE

FOLDER = CONFORMANCE / "chains"
MOST_BYTES = 200_000


def cases(kind: str) -> list[dict[str, Any]]:
    listed = FOLDER / "cases.json"
    found: list[dict[str, Any]] = []
    if listed.exists():
        found = json.loads(listed.read_text(encoding="utf-8"))[kind]
    return found


def chain_of_case(case: dict[str, Any]) -> bytes:
    return (FOLDER / f"{case['name']}.chain").read_bytes()


def names(case: dict[str, Any]) -> str:
    return str(case["name"])


def test_the_vectors_are_there() -> None:
    listed = [one["name"] for kind in ("valid", "invalid") for one in cases(kind)]
    assert len(listed) == len(set(listed)) >= 30
    files = {path.name for path in FOLDER.iterdir()}
    assert files >= {f"{name}.chain" for name in listed}
    assert len([name for name in files if name.endswith(".chain")]) == len(listed)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("case", cases("valid"), ids=names)
def test_a_valid_chain_says_and_makes_what_is_listed(case: dict[str, Any]) -> None:
    chain = chain_of_case(case)
    found = facts(chain)
    assert found == {key: case[key] for key in found}
    files = {
        hashlib.sha256(data).hexdigest(): data
        for data in (path.read_bytes() for path in FOLDER.glob("version-*"))
    }
    for source, to in ((0, -1), (-1, 0)):
        backs = sum(link["reverse"] for link in case["links"])
        if source == -1 and 2 * backs < len(case["links"]):
            continue  # no way leads back over each link
        out = io.BytesIO()
        models.apply_chain(files[case["versions"][source]], chain, out, to=to)
        assert out.getvalue() == files[case["versions"][to]]


@pytest.mark.parametrize("case", cases("invalid"), ids=names)
def test_an_invalid_chain_is_refused_as_listed(case: dict[str, Any]) -> None:
    assert refused(chain_of_case(case)) == case["error"]
