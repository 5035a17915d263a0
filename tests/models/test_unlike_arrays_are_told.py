"""A pair of .npy files of different kinds is patched all the same, and told of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sapwood import models
from support.cli_session import Session
from support.model_files import npy_file, safetensors_file, weights

VALUES = np.arange(12, dtype=np.float64).reshape(3, 4)


GOOD = npy_file(VALUES)
UNLIKE = {
    "the dtypes differ, '<f8' and '<f4'": npy_file(VALUES.astype(np.float32)),
    "big-endian elements, '>f8', are patched as bytes": npy_file(VALUES.astype(">f8")),
    "the dtypes differ, '<f8' and '|O'": npy_file(np.array([{}])),
    "the shapes differ, (3, 4) and (2, 4)": npy_file(VALUES[1:]),
    "the orders differ, C and Fortran": npy_file(np.asfortranarray(VALUES)),
}
ALIKE = {
    "other values": npy_file(VALUES + 1),
    "another version of the format": npy_file(VALUES, (3, 0)),
    "bytes after the array": GOOD + b"more",
    "another format": safetensors_file({"w": weights(1, (8, 8))}),
    "no model": b"no model at all",
}


@pytest.mark.parametrize("difference", UNLIKE)
def test_the_difference_is_told_and_the_target_comes_back(difference: str) -> None:
    patch, made = io.BytesIO(), io.BytesIO()
    (told,) = models.create_patch(GOOD, UNLIKE[difference], patch).warnings
    assert told.startswith(f"{difference}; little-endian arrays of one dtype")
    models.apply_patch(GOOD, patch.getvalue(), made)
    assert made.getvalue() == UNLIKE[difference]


@pytest.mark.parametrize("case", ALIKE)
def test_nothing_is_told_of_other_pairs(case: str) -> None:
    patch, made = io.BytesIO(), io.BytesIO()
    assert models.create_patch(GOOD, ALIKE[case], patch).warnings == ()
    models.apply_patch(GOOD, patch.getvalue(), made)
    assert made.getvalue() == ALIKE[case]


def test_each_of_several_bases_is_compared() -> None:
    other = npy_file(VALUES[:1])
    (told,) = models.create_patch([GOOD, other], npy_file(VALUES + 1), io.BytesIO()).warnings
    assert told.startswith("the shapes differ, (1, 4) and (3, 4)")


def test_the_command_tells_it(tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name, content in (("a", GOOD), ("b", npy_file(VALUES[1:]))):
        (tmp_path / name).write_bytes(content)
    done = here.run("create --base a --target b --out p")
    assert done.returncode == 0
    assert done.stderr.startswith(b"sapwood: note: the shapes differ, (3, 4) and (2, 4); ")
