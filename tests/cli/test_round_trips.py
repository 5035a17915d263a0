"""Whole sessions of the command line: what was the target comes back, byte for byte."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sapwood
from support.cli_session import Session, write_pairs

KINDS = ["npy", "safetensors", "bin"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A folder with the pairs and their patches, `KIND.patch`."""
    session = Session(tmp_path_factory.mktemp("pairs"))
    write_pairs(session.folder)
    for kind in KINDS:
        session.succeed(f"create --base a.{kind} --target b.{kind} --out {kind}.patch")
    return session


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_patched_and_comes_back(pairs: Session, kind: str) -> None:
    assert len(pairs.bytes(f"{kind}.patch")) < 0.6 * len(pairs.bytes(f"b.{kind}"))
    printed = pairs.succeed(f"verify --base a.{kind} --patch {kind}.patch")
    assert printed == f"{kind}.patch: intact, and made for a.{kind}\n".encode()
    printed = pairs.succeed(f"apply --base a.{kind} --patch {kind}.patch --out out.{kind}")
    assert printed.startswith(f"out.{kind}: ".encode())
    assert pairs.bytes(f"out.{kind}") == pairs.bytes(f"b.{kind}")


def test_a_base_is_updated_in_place_without_a_word(pairs: Session, tmp_path: Path) -> None:
    here = Session(tmp_path)
    (here / "model").write_bytes(pairs.bytes("a.safetensors"))
    patch = pairs / "safetensors.patch"
    assert here.succeed(f"apply --base model --patch {patch} --out model --quiet") == b""
    assert here.snapshot() == {"model": pairs.bytes("b.safetensors")}


def test_a_session_in_the_shell(tmp_path: Path) -> None:
    here = Session(tmp_path)
    write_pairs(here.folder)
    script = """
        set -e
        sapwood() { "$PYTHON" -m sapwood "$@"; }
        sapwood create --base a.npy --target b.npy --out - | cat > p
        sapwood inspect p | grep -q 'f32  *60x50  *residual'
        sapwood verify --base - --patch p --quiet < a.npy
        cat p | sapwood apply --base a.npy --patch - --out b2.npy
        cmp b.npy b2.npy
        if sapwood apply --base b.npy --patch p --out b3.npy; then exit 1; else exit $?; fi
    """
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith(b"b2.npy: ")
    created, refused = done.stderr.splitlines()
    assert created.startswith(b"-: ")
    assert refused.startswith(b"sapwood: error: b.npy: wrong base: ")
    assert not (here / "b3.npy").exists()


def test_patch_and_target_go_through_pipes(pairs: Session) -> None:
    made = pairs.run("create --base - --target b.npy --out -", pairs.bytes("a.npy"))
    assert (made.returncode, made.stdout) == (0, pairs.bytes("npy.patch"))
    assert made.stderr.startswith(b"-: ")
    applied = pairs.run("apply --base a.bin --patch - --out -", pairs.bytes("bin.patch"))
    assert (applied.returncode, applied.stdout) == (0, pairs.bytes("b.bin"))
    pairs.succeed("verify --base - --patch npy.patch", pairs.bytes("a.npy"))
    assert b"safetensors" in pairs.succeed("inspect -", pairs.bytes("safetensors.patch"))


def test_python_applies_what_the_command_made_and_the_other_way(pairs: Session) -> None:
    base, target = np.load(pairs / "a.npy"), np.load(pairs / "b.npy")
    patched = sapwood.apply_patch(base, pairs.bytes("npy.patch"))
    np.testing.assert_array_equal(patched, target)
    assert sapwood.create_patch(base, target).to_bytes() == pairs.bytes("npy.patch")


def save(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


values = np.arange(12, dtype=np.float64).reshape(3, 4)

PATCHED_AS_TENSORS = {
    "Fortran order": (np.asfortranarray(values), np.asfortranarray(values + 1)),
    "big-endian": (values.astype(">f4"), (values + 1).astype(">f4")),
    "no elements": (values[:0], values[:0]),
    "a scalar": (np.array(1.5), np.array(-0.0)),
}


@pytest.mark.parametrize("case", PATCHED_AS_TENSORS)
def test_any_layout_of_npy_comes_back(case: str, tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name, array in zip("ab", PATCHED_AS_TENSORS[case], strict=True):
        (here / name).write_bytes(save(array))
    assert here.json("create --base a --target b --out p")["kind"] == "tensor"
    here.succeed("apply --base a --patch p --out out")
    assert here.bytes("out") == here.bytes("b")


nobody_knows = b"\x93NUMPY\x01\x00\x02\x00(\n"

PATCHED_AS_FILES = {
    "dtypes differ": (save(values), save(values.astype(np.float32))),
    "shapes differ": (save(values), save(values[1:])),
    "headers differ": (save(values), save(np.asfortranarray(values))),
    "complex64 is not supported": (save(values.astype("c8")), save(1j * values.astype("c8"))),
    "Python objects": (save(np.array([{}])), save(np.array([[]], object))),
    "takes 96 bytes": (save(values), save(values) + b"more"),
    "that can be read": (nobody_knows, save(values)),
}


@pytest.mark.parametrize("reason", PATCHED_AS_FILES)
def test_other_npy_files_are_patched_as_files(reason: str, tmp_path: Path) -> None:
    here = Session(tmp_path)
    for name, content in zip("ab", PATCHED_AS_FILES[reason], strict=True):
        (here / name).write_bytes(content)
    done = here.run("create --base a --target b --out p")
    assert done.returncode == 0
    (note,) = done.stderr.decode().splitlines()
    assert note.startswith("sapwood: note: patched as plain files: ")
    assert reason in note
    here.succeed("apply --base a --patch p --out out")
    assert here.bytes("out") == here.bytes("b")


def test_force_takes_a_base_that_the_patch_was_not_made_from(tmp_path: Path) -> None:
    here = Session(tmp_path)
    base, target = np.zeros((2, 4096), np.int32), np.zeros((2, 4096), np.int32)
    target[0] = np.arange(4096)  # the second row is a chunk that is copied
    other = base.copy()
    other[1] = 5
    for name, array in {"a": base, "b": target, "other": other}.items():
        (here / name).write_bytes(save(array))
    here.succeed("create --base a --target b --out p --chunk-size 16KiB")
    printed = here.succeed("apply --base other --patch p --out out --force")
    assert printed.endswith(b"not checked\n")
    forced = np.load(here / "out")
    np.testing.assert_array_equal(forced, [target[0], other[1]])


def test_metadata_of_either_option_is_shown(pairs: Session) -> None:
    create = "create --base a.bin --target b.bin --out noted.patch"
    pairs.succeed(f"{create} --metadata run=17 note=a=b")
    assert pairs.json("inspect noted.patch")["metadata"] == {"run": "17", "note": "a=b"}
    (pairs / "notes.json").write_text('{"run": 17, "who": {"is": [true, null, "é"]}}')
    pairs.succeed(f"{create} --metadata-json notes.json")
    assert (
        'metadata:  {"run": 17, "who": {"is": [true, null, "é"]}}'
        in pairs.succeed("inspect noted.patch").decode()
    )


def test_inspect_lists_what_became_of_each_tensor(pairs: Session) -> None:
    lines = pairs.succeed("inspect safetensors.patch").decode().splitlines()
    assert lines[0].startswith("patch:     ttpatch/v1, model, delta, by sapwood ")
    table = {line.split()[0]: line.split()[1:] for line in lines[lines.index("") + 1 :]}
    assert table["tensor"] == ["dtype", "shape", "coding", "payload", "bits/weight"]
    assert table["layer"][:3] == ["f32", "60x50", "residual"]
    assert table["norm"] == ["f32", "50", "copied", "0", "B", "0.000"]
    assert "(new)" in table["head"]
    assert list(table)[1] == "layer"  # the largest


def test_inspect_shows_the_largest_twenty_unless_asked(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    here = Session(tmp_path)
    names = [f"tensor[{i}]\x1b[31m" for i in range(25)]
    for file, shift in {"a": 0, "b": 1}.items():
        save_file({name: np.arange(9) + shift for name in names}, here / file)
    here.succeed("create --base a --target b --out p")
    short, long = (
        here.succeed("inspect p").decode(),
        here.succeed("inspect --patch p --all").decode(),
    )
    assert "and 6 more" in short
    assert long.count("tensor[") == 25
    assert "\x1b" not in long  # a name does not steer the terminal
    assert len(here.json("inspect p")["segments"]) == 26


def test_json_tells_exact_figures(pairs: Session) -> None:
    sizes = {name: len(pairs.bytes(name)) for name in ("a.safetensors", "b.safetensors")}
    made = pairs.json("create --base a.safetensors --target b.safetensors --out again.patch")
    assert pairs.bytes("again.patch") == pairs.bytes("safetensors.patch")
    assert made.pop("seconds") > 0
    assert made.pop("compression_ratio") > 1
    assert made == {
        "command": "create",
        "kind": "model",
        "base": "a.safetensors",
        "bases": ["a.safetensors"],
        "target": "b.safetensors",
        "out": "again.patch",
        "source_size": sizes["a.safetensors"],
        "target_size": sizes["b.safetensors"],
        "patch_size": len(pairs.bytes("again.patch")),
        "reverse": None,
        "reverse_size": None,
        "tensors_modified": 2,
        "tensors_unchanged": 1,
        "signature": None,
        "notes": [],
    }
    told = pairs.json("inspect again.patch")
    assert told["target"]["size"] == sizes["b.safetensors"]
    assert sum(one["target_size"] for one in told["segments"]) == sizes["b.safetensors"]
    assert sum(one["payload_size"] for one in told["segments"]) == told["payload_size"]
    checked = pairs.json("verify --base a.safetensors --patch again.patch")
    assert checked["valid"] is True
    assert checked["actual_target"] == told["target"]["sha256"]
    applied = pairs.json("apply --base a.safetensors --patch again.patch --out json.out")
    assert applied["target_sha256"] == told["target"]["sha256"]
    assert applied["target_size"] == sizes["b.safetensors"]


def test_json_makes_way_for_bytes_on_stdout(pairs: Session) -> None:
    done = pairs.run("apply --base a.bin --patch bin.patch --out - --json")
    assert done.stdout == pairs.bytes("b.bin")
    assert json.loads(done.stderr)["target_size"] == len(done.stdout)
