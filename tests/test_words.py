"""One word, one meaning: no two public classes of the package have one name."""

from __future__ import annotations

import ast
from collections import defaultdict

from support.places import ROOT

SOURCE = ROOT / "src/sapwood"

# Names that still have two meanings, in lower case. What is added here needs a better name.
TWICE = frozenset(
    {
        "found",  # in a folder; of a low-rank update
        "listed",  # files of a folder; signatures
        "place",  # of a prediction; of what is read of one
        "version",  # of a file elsewhere; of a chain; what --version prints
    }
)


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
    twice = {name: there for name, there in places.items() if len(there) > 1}
    assert {name: there for name, there in twice.items() if name not in TWICE} == {}


def test_the_names_that_are_still_allowed_twice_are_used_twice() -> None:
    places = places_by_name()
    assert {name for name in TWICE if len(places.get(name, ())) < 2} == set()
