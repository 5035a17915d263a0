"""Files with holes, and how much room files take."""

from __future__ import annotations

from pathlib import Path

import pytest


def room(path: Path) -> int:
    """Bytes that the file system gave to a file."""
    return path.stat().st_blocks * 512


def need_holes(folder: Path) -> None:
    """Skips the test where the file system has no holes."""
    probe = folder / "probe"
    with probe.open("wb") as file:
        file.truncate(1 << 20)
    taken = room(probe)
    probe.unlink()
    if taken >= 1 << 20:
        pytest.skip("the file system has no holes")
