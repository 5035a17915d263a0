"""A look at a workspace is quick: it imports nothing that only a change or an archive needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sapwood.workspace import Workspace
from support.cli_session import PROGRAM
from support.template_folders import write_template

HEAVY = {"numpy", "sapwood.patch", "sapwood.models", "httpx2", "pooch", "torch", "yaml"}


def test_a_look_at_a_workspace_imports_nothing_that_is_heavy(tmp_path: Path) -> None:
    write_template(tmp_path / "old", "1.0.0", {"tests/a.py": "1\n"})
    write_template(tmp_path / "new", "1.1.0", {"tests/a.py": "2\n"})
    Workspace.init(tmp_path / "course", tmp_path / "old")
    for words, code in (("status", 0), ("update ../new --check", 20), ("backups list", 0)):
        done = subprocess.run(
            [PROGRAM[0], "-X", "importtime", *PROGRAM[1:], "workspace", *words.split()],
            cwd=tmp_path / "course",
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == code, done.stderr
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "sapwood.workspace.workspace" in imported
        assert not imported & HEAVY, words
