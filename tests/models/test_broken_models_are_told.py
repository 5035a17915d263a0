"""A file that begins as a model does and breaks its format's rules is patched, and that is told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from sapwood import models
from support.cli_session import Session
from support.model_files import safetensors_file, weights

GOOD = safetensors_file({"w": weights(1, (8, 8))})
BROKEN = {
    "a safetensors file that is cut off": GOOD[:-1],
    "a GGUF file of another version": b"GGUF" + bytes([9]) + bytes(40),
    "a .npy file with a broken header": b"\x93NUMPY\x01\x00\x04\x00{{{{",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_version_is_told_and_comes_back(name: str) -> None:
    for base, target, which in ((GOOD, BROKEN[name], "target"), (BROKEN[name], GOOD, "source")):
        patch, made = io.BytesIO(), io.BytesIO()
        stats = models.create_patch(base, target, patch)
        (told,) = stats.warnings
        assert told.startswith(f"the {which}: ")
        assert told.endswith("; patched as bytes")
        models.apply_patch(base, patch.getvalue(), made)
        assert made.getvalue() == target


def test_good_files_and_other_files_are_not_told_of() -> None:
    for target in (GOOD, b"no model at all"):
        assert models.create_patch(GOOD, target, io.BytesIO()).warnings == ()


def test_the_file_of_a_folder_is_named(tmp_path: Path) -> None:
    for version, content in (("v1", GOOD), ("v2", GOOD[:-1])):
        (tmp_path / version).mkdir()
        (tmp_path / version / "model.safetensors").write_bytes(content)
    stats = models.create_patch(tmp_path / "v1", tmp_path / "v2", io.BytesIO())
    (told,) = stats.warnings
    assert told.startswith(f"{tmp_path / 'v2'}: model.safetensors: ")


def test_more_tensors_than_readers_allow_are_told_and_come_back() -> None:
    """Each way for itself: what a patch leads to is listed, and no more."""
    few = safetensors_file({f"w{i}": weights(i, (8, 8)) for i in range(10)})
    many = safetensors_file({f"w{i}": weights(i, (8, 8)) for i in range(40)})
    limits = models.Limits(front=1 << 16)
    patch, back = io.BytesIO(), io.BytesIO()
    stats = models.create_patch(few, many, patch, reverse=back, limits=limits)
    (told,) = stats.warnings
    assert told.startswith("the target: an index of its 40 tensors would take about ")
    assert told.endswith("65536 are allowed; patched as bytes")
    assert (stats.tensors_modified, stats.tensors_unchanged) == (0, 0)
    assert models.patch_info(back.getvalue()).tensors_modified == 10
    for base, way, target in ((few, patch, many), (many, back, few)):
        made = io.BytesIO()
        models.apply_patch(base, way.getvalue(), made)
        assert made.getvalue() == target


def test_of_a_folder_the_files_that_fit_are_patched_by_tensors(tmp_path: Path) -> None:
    for version, seed in (("v1", 0), ("v2", 100)):
        (tmp_path / version).mkdir()
        for name, count in (("a", 10), ("b", 40), ("c", 10)):
            tensors = {f"{name}{i}": weights(seed + i, (8, 8)) for i in range(count)}
            (tmp_path / version / f"{name}.safetensors").write_bytes(safetensors_file(tensors))
    patch = tmp_path / "patch"
    stats = models.create_patch(
        tmp_path / "v1", tmp_path / "v2", patch, limits=models.Limits(front=1 << 16)
    )
    (told,) = stats.warnings
    assert "b.safetensors: an index of its 40 tensors" in told
    assert stats.tensors_modified == 20
    models.apply_patch(tmp_path / "v1", patch, tmp_path / "made")
    for path in (tmp_path / "v2").iterdir():
        assert (tmp_path / "made" / path.name).read_bytes() == path.read_bytes()


def test_the_command_tells_it(tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name, content in (("good.safetensors", GOOD), ("cut.safetensors", GOOD[:-1])):
        (tmp_path / name).write_bytes(content)
    command = "create --base good.safetensors --target cut.safetensors --out p.ttp"
    done = here.run(command)
    assert done.returncode == 0
    assert done.stderr.startswith(b"sapwood: note: cut.safetensors: ")
    (told,) = json.loads(here.succeed(f"{command} --json"))["notes"]
    assert f"sapwood: note: {told}\n".encode() == done.stderr
