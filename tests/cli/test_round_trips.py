"""Whole sessions of the command line: what was the target comes back, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
        sapwood inspect p | grep 'array  *f32  *60x50  *residual' > row
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
