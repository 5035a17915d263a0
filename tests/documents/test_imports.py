"""Documents are read without the kernel, hashes, compression or arrays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.quick

HEAVY = ("sapwood._kernel", "blake3", "backports.zstd", "compression.zstd", "numpy")
ALL = """
import importlib, pkgutil, sys
import sapwood.documents
for one in pkgutil.iter_modules(sapwood.documents.__path__):
    importlib.import_module(f"sapwood.documents.{one.name}")
print(*sorted(sys.modules))
"""


def loaded(script: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_documents_load_nothing_heavy() -> None:
    modules = loaded(ALL)
    assert "sapwood.documents.fields" in modules
    assert not modules.intersection(HEAVY)
