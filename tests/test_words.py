"""One word, one meaning: no two public classes of the package have one name."""

from __future__ import annotations

import ast
from collections import defaultdict

from support.places import ROOT

SOURCE = ROOT / "src/sapwood"


def places_by_name() -> dict[str, list[str]]:
    """Where the public classes are, by their names in lower case."""
    places = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name.lower()].append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    return places


def test_no_two_classes_have_one_name() -> None:
    places = places_by_name()
    assert len(places) > 100
    assert {name: there for name, there in places.items() if len(there) > 1} == {}
