"""A sparse target comes back sparse, whichever way it is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from support.folder_trees import write_tree
from support.model_files import safetensors_file, weights
from support.sparse_files import need_holes, room

pytestmark = pytest.mark.quick

ZEROS = 8 << 20  # bytes
DENSE = weights(1, (64, 1024)).tobytes()
BASE = DENSE * 2
TARGET = DENSE + bytes(ZEROS) + DENSE + bytes(ZEROS)
MOST_ROOM = 1 << 20


@pytest.fixture(autouse=True)
def holes(tmp_path: Path) -> None:
    need_holes(tmp_path)


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    models.create_patch(BASE, TARGET, tmp_path / "patch")
    return tmp_path / "patch"


def check(path: Path) -> None:
    assert path.read_bytes() == TARGET
    assert room(path) < MOST_ROOM


@pytest.mark.parametrize("resume", [False, True])
def test_applied(resume: bool, patch: Path, tmp_path: Path) -> None:
    models.apply_patch(BASE, patch, tmp_path / "out", resume=resume)
    check(tmp_path / "out")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_short_and_resumed(share: float, patch: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > share * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.apply_patch(
            *(BASE, patch, tmp_path / "out"),
            resume=True,
            receiving=models.Receiving(progress=stop),
        )
    models.apply_patch(BASE, patch, tmp_path / "out", resume=True)
    check(tmp_path / "out")


def test_in_a_folder(tmp_path: Path) -> None:
    base = write_tree(tmp_path / "v1", {"a": BASE})
    target = write_tree(tmp_path / "v2", {"a": TARGET, "b": b"", "c": TARGET})
    models.create_patch(base, target, tmp_path / "patch")
    models.apply_patch(base, tmp_path / "patch", tmp_path / "out")
    check(tmp_path / "out/a")
    check(tmp_path / "out/c")


def test_in_slots_and_along_a_chain(patch: Path, tmp_path: Path) -> None:
    slots = models.Slots(tmp_path / "slots")
    slots.install(BASE, "model")
    slots.prepare(patch)
    check(slots.switch().path)
    check(slots.install(TARGET, "model").path)
    models.create_chain([patch], tmp_path / "chain")
    for source in (BASE, TARGET):
        models.apply_chain(source, tmp_path / "chain", tmp_path / "out")
        check(tmp_path / "out")


def test_single_tensors(tmp_path: Path) -> None:
    zeros = np.zeros((4, 1 << 20), np.uint16).view(np.float16)
    base = safetensors_file({"w": weights(2, (64, 64))})
    models.create_patch(base, safetensors_file({"w": zeros}), tmp_path / "patch")
    models.extract_tensors(base, tmp_path / "patch", tmp_path / "out", "w")
    assert room(tmp_path / "out") < MOST_ROOM
    assert (tmp_path / "out").stat().st_size > zeros.nbytes
