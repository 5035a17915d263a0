"""A process that updates a file in place may be killed at any call: it goes on, or back.

Each call of the operating system that changes a file is one at which `killed_updates.py` kills,
with the call not done, with half of a write done, and with writes lost that were not synced.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood import models
from support.failing_calls import killed_at
from support.in_place_pairs import PAIRS, patch_of

SCRIPT = "support.killed_updates"


def run(folder: Path, name: str, *arguments: object) -> int:
    """What the script prints of a pair: a number."""
    base, target = PAIRS[name]
    for file, data in (("base", base), ("target", target), ("patch", patch_of(name))):
        (folder / file).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", SCRIPT, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("weights that changed where they lie", "torn"),
        ("a tensor less", "whole"),
        ("tensors in another order", "torn"),
        ("tensors in another order", "power"),
        ("a longer header", "power"),
        ("from nothing", "whole"),
        ("to nothing", "power"),
    ],
)
def test_at_every_call(name: str, mode: str, tmp_path: Path) -> None:
    """`torn` kills have half of a write done; of `power` cuts some of what was not synced."""
    assert run(tmp_path, name, mode) > 20


def test_at_every_call_without_undo(tmp_path: Path) -> None:
    assert run(tmp_path, "a tensor less", "no undo") > 20


@pytest.mark.parametrize("name", ["a longer header", "a tensor less", "tensors in another order"])
def test_on_the_way_forth_and_back(name: str, tmp_path: Path) -> None:
    """Begun, killed, rolled back, killed, begun again: 40 ways by chance."""
    assert run(tmp_path, name, "wander", 40) > 5


@pytest.mark.parametrize("symbolic", [False, True])
def test_while_links_are_broken(symbolic: bool, tmp_path: Path) -> None:
    base, target = PAIRS["a longer header"]
    path, other = tmp_path / "model", tmp_path / "other"

    def update() -> None:
        how = models.Receiving(threads=1)
        patch = patch_of("a longer header")
        models.in_place.apply(path, patch, step=2048, break_links=True, receiving=how)

    at = 0
    killed = True
    while killed:
        at += 1
        for one in tmp_path.iterdir():
            one.unlink()
        other.write_bytes(base)
        if symbolic:
            path.symlink_to("other")
        else:
            path.hardlink_to(other)
        killed = killed_at(update, at)
        assert path.read_bytes() == base or not path.samefile(other)
        update()
        assert (path.read_bytes(), other.read_bytes()) == (target, base)
        left = {one.name for one in tmp_path.iterdir() if not one.name.endswith(".part")}
        assert left == {"model", "other"}
    assert at > 5
