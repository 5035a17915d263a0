"""What differs from system to system is asked for in `sapwood.files`, and nowhere else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sapwood
from support.imports import imported_packages

pytestmark = pytest.mark.quick

SOURCE = Path(sapwood.__file__).parent
ROOM = SOURCE / "files"
MODULES = {"ctypes", "fcntl", "msvcrt", "winreg"}
OVER_ARRAYS = {"holes", "locked_file", "other_names", "positions", "sources", "trees"}
QUESTIONS = {"os.name", "sys.platform", "os.fsync", "os.replace", "os.rename", "os.sync"}


def asked(code: str) -> set[str]:
    """What a module asks of the system: modules that it imports, and names that it uses."""
    nodes = list(ast.walk(ast.parse(code)))
    found = imported_packages(nodes)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif renames(node):
            found.add("os.rename")
    return found & (MODULES | QUESTIONS)


def renames(node: ast.AST) -> bool:
    """Whether a path is given another name: of a text two arguments say what is replaced."""
    match node:
        case ast.Call(ast.Attribute(_, "replace" | "rename"), [_], []):
            return True
        case _:
            return False


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "def f():\n    import ctypes.util",
        "from fcntl import flock",
        "import os\nif os.name == 'nt': pass",
        "from sys import platform",
        "staged.replace(path)",
    ],
)
def test_questions_are_noticed(code: str) -> None:
    assert asked(code)


def test_the_room_asks() -> None:
    assert asked((ROOM / "locks.py").read_text("utf-8")) == {"fcntl"}


def test_other_rooms_do_not() -> None:
    asking = {
        str(path.relative_to(SOURCE)): sorted(found)
        for path in SOURCE.rglob("*.py")
        if ROOM not in path.parents and (found := asked(path.read_text("utf-8")))
    }
    assert asking == {}


def test_only_what_gives_arrays_imports_numpy() -> None:
    modules = sorted(
        f"sapwood.files.{path.stem}" for path in ROOM.glob("*.py") if path.stem not in OVER_ARRAYS
    )
    program = f"import sys, {', '.join(modules)}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
