"""Patches of a tensor, as Python makes them, on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sapwood
from support.cli_session import Session, write_pairs, write_tensor_patch


@pytest.fixture
def here(tmp_path: Path) -> Session:
    write_pairs(tmp_path)
    write_tensor_patch(tmp_path)
    return Session(tmp_path)


def test_the_command_applies_what_python_made(here: Session) -> None:
    printed = here.succeed("verify --base a.npy --patch tensor.patch")
    assert printed == b"tensor.patch: intact, and made for a.npy\n"
    here.succeed("apply --base a.npy --patch tensor.patch --out out.npy")
    assert here.bytes("out.npy") == here.bytes("b.npy")
    here.succeed("apply --base - --patch tensor.patch --out again.npy", here.bytes("a.npy"))
    assert here.bytes("again.npy") == here.bytes("b.npy")
    assert "(the tensor)  f32    60x50" in here.succeed("inspect tensor.patch").decode()


def test_what_the_command_makes_is_a_patch_of_files(here: Session) -> None:
    assert here.json("create --base a.npy --target b.npy --out p")["kind"] == "model"
    assert here.json("inspect p")["target_format"] == "npy"
    with pytest.raises(sapwood.errors.InputError, match=r"use sapwood\.models\.apply_patch"):
        sapwood.apply_patch(np.load(here / "a.npy"), here.bytes("p"))


def test_json_has_its_kind_and_no_sha256(here: Session) -> None:
    target = sapwood.inspect_patch(here.bytes("tensor.patch"))["target_checksum"]
    told = here.json("verify --base a.npy --patch tensor.patch")
    assert (told["kind"], told["valid"], told["actual_target"]) == ("tensor", True, target)
    told = here.json("apply --base a.npy --patch tensor.patch --out out.npy")
    assert (told["kind"], told["target_blake3"], told["target_sha256"]) == ("tensor", target, None)
    assert told["target_size"] == len(here.bytes("out.npy"))


def test_force_takes_a_base_that_the_patch_was_not_made_from(here: Session) -> None:
    apply = "apply --patch tensor.patch --force"
    printed = here.succeed(f"{apply} --base a.npy --out out.npy")
    assert printed.endswith(b", not checked\n")
    assert here.bytes("out.npy") == here.bytes("b.npy")
    told = here.json(f"{apply} --base a.npy --out out.npy")
    assert (told["checked"], told["target_blake3"]) == (False, None)
    (here / "folder").mkdir()
    assert "name the file" in here.fail(f"{apply} --base folder --out new", 2)
    bases = "--base a.npy --base b.npy"
    assert "expected 1 bases" in here.fail(f"{apply} {bases} --out new", 2)
