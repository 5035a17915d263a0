"""Python in a process of its own, for what may be killed or run out of something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_child(script: str, *arguments: object, folder: Path) -> str:
    """Runs Python in `folder`, with the modules that this process has, and a TMPDIR there."""
    (folder / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder / "tmp")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
