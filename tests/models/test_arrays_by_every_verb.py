"""Patches between .npy files are patches of files: every verb takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sapwood import models
from support.model_files import npy_file

OLD = np.random.default_rng(4).normal(size=(30, 40)).astype(np.float32)
ARRAYS = [OLD + np.float32(i * 1e-4) for i in range(3)]
FILES = [npy_file(array) for array in ARRAYS]


@pytest.fixture
def patches(tmp_path: Path) -> list[Path]:
    """Patches from each version to the next, and the first version as `array.npy`."""
    paths = [tmp_path / f"{i}.ttp" for i in range(2)]
    for i, path in enumerate(paths):
        models.create_patch(FILES[i], FILES[i + 1], path)
    (tmp_path / "array.npy").write_bytes(FILES[0])
    return paths


def test_a_chain_has_them_as_links(tmp_path: Path, patches: list[Path]) -> None:
    models.create_chain(patches, tmp_path / "c.ttc")
    models.apply_chain(tmp_path / "array.npy", tmp_path / "c.ttc", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == FILES[2]
    models.squash_chain(FILES[0], tmp_path / "c.ttc", tmp_path / "squashed")
    models.apply_patch(FILES[0], tmp_path / "squashed", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == FILES[2]


def test_an_array_becomes_its_target_in_place(tmp_path: Path, patches: list[Path]) -> None:
    for patch in patches:
        models.in_place.apply(tmp_path / "array.npy", patch)
    assert (tmp_path / "array.npy").read_bytes() == FILES[2]


def test_the_array_is_taken_alone_and_loaded(tmp_path: Path, patches: list[Path]) -> None:
    base = tmp_path / "array.npy"
    assert models.extract_tensors(base, patches[0], tmp_path / "out", ["*"]).tensors == ("array",)
    taken = safetensors.numpy.load_file(tmp_path / "out")["array"]
    np.testing.assert_array_equal(taken, ARRAYS[1])
    np.testing.assert_array_equal(models.load_patched(base, patches[0])["array"], ARRAYS[1])


def test_applying_them_is_resumed(tmp_path: Path, patches: list[Path]) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    out = tmp_path / "out"
    with pytest.raises(Stopped):
        models.apply_patch(
            FILES[0], patches[0], out, resume=True, receiving=models.Receiving(progress=stop)
        )
    models.apply_patch(FILES[0], patches[0], out, resume=True)
    assert out.read_bytes() == FILES[1]
