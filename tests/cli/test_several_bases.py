"""Patches from several bases on the command line, and bases that are looked for in folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from blake3 import blake3

from sapwood import models
from sapwood.errors import IoError
from sapwood.files.walking import files_below
from sapwood.patch.format.parsing import parse_front
from support.cli_session import Session

KINDS = ["npy", "safetensors"]


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Two fine-tunes `a` and `b`, their merge `m`, and its patches from both, `KIND.patch`."""
    here = Session(tmp_path_factory.mktemp("merged"))
    rng = np.random.default_rng(11)
    layer = (0.05 * rng.standard_normal((64, 200))).astype(np.float32)
    a, b = ((layer + 1e-3 * rng.standard_normal(layer.shape)).astype(np.float16) for _ in range(2))
    both = np.float32(0.3) * a.astype(np.float32) + np.float32(0.7) * b.astype(np.float32)
    for name, array in {"a": a, "b": b, "m": both.astype(np.float16)}.items():
        np.save(here / f"{name}.npy", array)
        safetensors.numpy.save_file({"layer.weight": array}, here / f"{name}.safetensors")
    for kind in KINDS:
        here.succeed(f"create --base a.{kind} --base b.{kind} --target m.{kind} --out {kind}.patch")
    return here


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_merge_comes_back_from_its_bases_in_any_order(
    merged: Session, kind: str, order: str
) -> None:
    assert len(merged.bytes(f"{kind}.patch")) < 0.1 * len(merged.bytes(f"m.{kind}"))
    bases = " ".join(f"--base {name}.{kind}" for name in order)
    printed = merged.succeed(f"verify {bases} --patch {kind}.patch").decode()
    assert printed == f"{kind}.patch: intact, and made for {order[0]}.{kind}, {order[1]}.{kind}\n"
    merged.succeed(f"apply {bases} --patch {kind}.patch --out out.{kind}")
    assert merged.bytes(f"out.{kind}") == merged.bytes(f"m.{kind}")


def test_json_lists_all_bases_and_keeps_the_first(merged: Session) -> None:
    bases = ["b.npy", "a.npy"]
    options = "--base b.npy --base a.npy"
    for command in (
        f"create {options} --target m.npy --out again.patch",
        f"apply {options} --patch npy.patch --out json.npy",
        f"verify {options} --patch npy.patch",
    ):
        told = merged.json(command)
        assert (told["base"], told["bases"]) == ("b.npy", bases)


@pytest.mark.parametrize("kind", KINDS)
def test_one_base_gives_the_patch_of_the_library(merged: Session, kind: str) -> None:
    merged.succeed(f"create --base a.{kind} --target m.{kind} --out one.patch")
    models.create_patch(merged / f"a.{kind}", merged / f"m.{kind}", merged / "library")
    assert merged.bytes("one.patch") == merged.bytes("library")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_base_is_told_by_name_and_digest(merged: Session, kind: str) -> None:
    digest = blake3(merged.bytes(f"b.{kind}")).hexdigest()
    for command in (f"verify --patch {kind}.patch", f"apply --patch {kind}.patch --out new"):
        line = merged.fail(f"{command} --base a.{kind} --base m.{kind}", 4)
        assert line.startswith(f"a.{kind}, m.{kind}: wrong bases: ")
        assert f"missing: 'b.{kind}', " in line
        assert digest in line
        assert line.endswith("; give all of them, in any order")


def test_many_wrong_bases_are_not_all_named(merged: Session) -> None:
    bases = " ".join(["--base a.npy"] * 6)
    line = merged.fail(f"verify {bases} --patch npy.patch", 4)
    assert line.startswith("a.npy, a.npy, a.npy, a.npy and 2 more: wrong bases: ")


def test_stdin_may_be_one_of_the_bases_and_only_once(merged: Session) -> None:
    for kind in KINDS:
        command = f"apply --base - --base a.{kind} --patch {kind}.patch --out stdin.{kind}"
        merged.succeed(command, merged.bytes(f"b.{kind}"))
        assert merged.bytes(f"stdin.{kind}") == merged.bytes(f"m.{kind}")
    command = "create --base - --base b.npy --target m.npy --out stdin.patch"
    merged.succeed(command, merged.bytes("a.npy"))
    first, second = parse_front(merged.bytes("stdin.patch")).header.bases
    assert (first.name, second.name) == (None, "b.npy")
    for command in (
        "verify --base - --base - --patch npy.patch",
        "apply --base a.npy --base - --patch - --out new",
        "create --base - --base a.npy --target - --out new",
    ):
        assert merged.fail(command, 2).startswith("stdin can be one input only")


def test_bases_of_several_kinds_are_patched_as_files(merged: Session, tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name in ("a.npy", "m.npy", "b.safetensors"):
        (here / name).write_bytes(merged.bytes(name))
    told = here.json("create --base b.safetensors --base a.npy --target m.npy --out p")
    assert told["kind"] == "model"
    here.succeed("apply --base a.npy --base b.safetensors --patch p --out out")
    assert here.bytes("out") == here.bytes("m.npy")
    np.save(here / "short.npy", np.zeros(3, np.float16))
    done = here.run("create --base a.npy --base short.npy --target m.npy --out p")
    assert b"note: the shapes differ, (3,) and (64, 200); " in done.stderr


@pytest.fixture
def folder(merged: Session, tmp_path: Path) -> Session:
    """A folder `models` in which the bases are somewhere, among other things."""
    here = Session(tmp_path)
    deep = here / "models" / "deep" / "er"
    deep.mkdir(parents=True)
    (here / "elsewhere").mkdir()
    for kind in KINDS:
        (deep / f"some name.{kind}").write_bytes(merged.bytes(f"a.{kind}"))
        (here / "elsewhere" / kind).write_bytes(merged.bytes(f"b.{kind}"))
        (deep.parent / f"link.{kind}").symlink_to(here / "elsewhere" / kind)
        (here / "models" / f"m.{kind}").write_bytes(merged.bytes(f"m.{kind}"))
        (here / f"{kind}.patch").write_bytes(merged.bytes(f"{kind}.patch"))
    (here / "models" / "broken").symlink_to("nowhere")
    (here / "models" / "circle").symlink_to(here / "models")
    (here / "models" / "zeros").write_bytes(bytes(len(merged.bytes("a.npy"))))
    os.mkfifo(here / "models" / "pipe")  # to open it would block
    return here


@pytest.mark.parametrize("kind", KINDS)
def test_bases_are_found_in_a_folder(merged: Session, folder: Session, kind: str) -> None:
    folder.succeed(f"verify --base models --patch {kind}.patch")
    folder.succeed(f"apply --base models --patch {kind}.patch --out out")
    assert folder.bytes("out") == merged.bytes(f"m.{kind}")
    part = "models/deep/er"
    line = folder.fail(f"apply --base {part} --patch {kind}.patch --out new", 4)
    assert line.startswith(f"{part}: wrong bases: ")
    assert f"missing: 'b.{kind}', " in line
    folder.succeed(f"apply --base {part} --base elsewhere/{kind} --patch {kind}.patch --out out")


def test_the_only_base_is_found_in_a_folder_too(merged: Session, folder: Session) -> None:
    merged.succeed("create --base b.safetensors --target m.safetensors --out one")
    patch = merged.bytes("one")
    verified = models.verify_patch(folder / "models", patch)
    assert verified.is_valid()
    assert models.apply_patch(folder / "models", patch, folder / "out").is_valid()
    empty = folder / "empty"
    empty.mkdir()
    verified = models.verify_patch(empty, patch)
    assert not verified.source_valid
    assert "of the 0 looked at 0 fit" in str(verified.error)


def test_only_files_of_the_right_size_are_looked_at_each_once(folder: Session) -> None:
    models_folder = folder / "models"
    size = (models_folder / "m.npy").stat().st_size
    found = list(files_below(models_folder, lambda one: one == size))
    names = [str(path.relative_to(models_folder)) for path in found]
    assert names == ["m.npy", "zeros", "deep/link.npy", "deep/er/some name.npy"]
    (models_folder / "again").hardlink_to(models_folder / "zeros")
    assert len(list(files_below(models_folder, lambda one: one == size))) == len(found)
    with pytest.raises(IoError, match="No such file"):
        list(files_below(models_folder / "missing", lambda one: True))
