"""What holds of the tests themselves: none leans on another, and what they share has one place."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.places import BENCHMARKS, CONFORMANCE, EXAMPLES, FUZZ, GOLDEN, TESTS

pytestmark = pytest.mark.quick

FILES = sorted(path for path in TESTS.rglob("*.py") if GOLDEN not in path.parents)
SUPPORT = TESTS / "support"
ROOMS = {path.relative_to(TESTS).parts[0] for path in FILES if path.parent != TESTS} - {"support"}


def imported(path: Path) -> Iterator[str]:
    """The full names of what a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{one.name}" for one in names)


def leads_to_a_test(name: str) -> bool:
    """Whether an imported name is that of a test module, or of something in a room of tests."""
    first, *inner = name.split(".")
    if first == "support":
        return any(part.startswith("test_") for part in inner)
    return first in {"tests", *ROOMS} or first.startswith("test_")


def test_the_files_are_found() -> None:
    assert len(FILES) > 200
    assert {"cli", "kernel", "models", "workspace"} <= ROOMS


def test_no_module_imports_a_test() -> None:
    found = {
        path.relative_to(TESTS).as_posix(): names
        for path in FILES
        if (names := [name for name in imported(path) if leads_to_a_test(name)])
    }
    assert found == {}


def test_helpers_lie_in_support_and_nothing_else_does() -> None:
    for path in FILES:
        if path != TESTS / "conftest.py":
            assert path.name.startswith("test_") != path.is_relative_to(SUPPORT), path


@pytest.mark.parametrize(
    "folder", [BENCHMARKS, CONFORMANCE, EXAMPLES, FUZZ], ids=lambda one: one.name
)
def test_what_programs_import_of_the_package_exists(folder: Path) -> None:
    """No other check runs all of them, nor looks at their types."""
    missing = []
    for path in sorted(folder.rglob("*.py")):
        if "history" in path.parts:  # as it was released
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sapwood"):
                found = importlib.import_module(node.module or "")
                missing += [
                    f"{path.name}: {node.module}.{one.name}"
                    for one in node.names
                    if not hasattr(found, one.name) and not _is_module(f"{node.module}.{one.name}")
                ]
    assert missing == []


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
