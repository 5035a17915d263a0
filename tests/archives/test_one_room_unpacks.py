"""What strangers packed is unpacked in `sapwood.archives`, by decoders whose output is bounded."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sapwood
from support.imports import imported_packages

pytestmark = pytest.mark.quick

SOURCE = Path(sapwood.__file__).parent
MODULES = {"backports", "bz2", "compression", "gzip", "lzma", "tarfile", "zipfile", "zlib"}
ALLOWED = {
    "archives/unpacking.py": {"zlib"},
    "archives/zips.py": {"zlib"},  # for its checksum
    "content/zstd.py": {"backports", "compression"},
}


def unpackers(code: str) -> set[str]:
    """The modules that unpack, of those that a module imports."""
    nodes = list(ast.walk(ast.parse(code)))
    found = imported_packages(nodes)
    if any(isinstance(node, ast.Attribute) and node.attr == "unpack_archive" for node in nodes):
        found.add("zipfile")
    return found & MODULES


@pytest.mark.parametrize(
    "code",
    ["import zipfile", "def f():\n    import bz2", "from backports import zstd", "import zlib, os"],
)
def test_unpackers_are_noticed(code: str) -> None:
    assert unpackers(code)


def test_no_other_module_unpacks() -> None:
    found = {
        path.relative_to(SOURCE).as_posix(): unpackers(path.read_text(encoding="utf-8"))
        for path in SOURCE.rglob("*.py")
    }
    assert {path: modules for path, modules in found.items() if modules} == ALLOWED
