"""Whoever only looks into model files pays for no codec."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.child_processes import run_child

pytestmark = pytest.mark.quick

SCRIPT = "import sys, sapwood.modelfile; print(*sys.modules)"
HEAVY = ("sapwood._kernel", "sapwood.codec", "sapwood.patch", "blake3", "zstd", "torch")


def test_readers_of_model_files_load_no_kernel_and_no_codec(tmp_path: Path) -> None:
    loaded = run_child(SCRIPT, folder=tmp_path).split()
    assert "sapwood.modelfile.gguf" in loaded
    assert not [name for name in loaded if any(heavy in name for heavy in HEAVY)]
