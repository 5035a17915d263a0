"""What docs/attacks.md cites exists: each file, each test in it, and each case."""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest

from support.places import DOCS, ROOT, TESTS

pytestmark = pytest.mark.quick

PAGE = (DOCS / "attacks.md").read_text()
CITATION = re.compile(r"`([\w/]+\.(?:py|cpp))::(\w+)(\[[^`]*\])?`")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| input |", "|---"))
]
CITED = sorted({found for row in ROWS for found in CITATION.findall(row[-1])})


@cache
def text_of(file: str) -> str:
    below = TESTS / file
    return (below if below.exists() else ROOT / file).read_text()


@cache
def names_in(file: str) -> dict[str, ast.expr | None]:
    """The functions of a module, and what is assigned to its other names."""
    found: dict[str, ast.expr | None] = {}
    for node in ast.parse(text_of(file)).body:
        match node:
            case ast.FunctionDef(name=name):
                found[name] = None
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                found[name] = value
    return found


def is_run(file: str, name: str) -> bool:
    """Whether tests of the file, or of one that imports the name from it, go through the cases."""
    module = file.removesuffix(".py").replace("/", ".")
    through = re.compile(rf"parametrize\(\s*\"\w+\", {name}\)")
    imported = re.compile(rf"^from {module} import [^)]*?\b{name}\b", re.MULTILINE)
    texts = [path.read_text() for path in TESTS.rglob("test_*.py")]
    users = [text_of(file), *(text for text in texts if imported.search(text))]
    return any(through.search(text) for text in users)


def test_every_row_cites_something_and_nothing_else() -> None:
    assert len(ROWS) > 50
    for row in ROWS:
        assert len(row) == 3, row
        assert all(row)
        assert CITATION.search(row[2]), row
        assert CITATION.sub("", row[2]).replace(",", "").strip() == "", row


@pytest.mark.parametrize(("file", "name", "cases"), CITED)
def test_what_is_cited_exists(file: str, name: str, cases: str) -> None:
    if file.endswith(".cpp"):
        assert re.search(rf"^\S.*\b{name}\(.*\{{$", text_of(file), re.MULTILINE)
        return
    names = names_in(file)
    assert name in names
    value = names[name]
    if not cases:
        assert value is None
        assert name.startswith("test_") or file.startswith("fuzz/")
        return
    assert isinstance(value, ast.Dict)
    keys = {key.value for key in value.keys if isinstance(key, ast.Constant)}
    assert set(json.loads(cases)) <= keys
    assert is_run(file, name)
