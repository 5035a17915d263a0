"""What is told of folders: which files and tensors changed, and which version one is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from sapwood import models
from sapwood.errors import InputError
from sapwood.models import FileDiff
from support.cli_session import Session
from support.folder_trees import fine_tuned, layers, read_tree, repository, write_tree

MODEL = layers(3)
OLD = {**repository(MODEL, 2, 50), "old.txt": b"old"}
CHANGED = {**MODEL, **dict(list(fine_tuned(MODEL).items())[:2])}
NEW = repository(CHANGED, 2, 50)


@pytest.fixture
def here(tmp_path: Path) -> Session:
    """A folder with two versions of a repository."""
    write_tree(tmp_path / "v1", OLD)
    write_tree(tmp_path / "v2", NEW)
    return Session(tmp_path)


def test_files_and_tensors_that_changed_are_told(here: Session) -> None:
    found = models.diff(here / "v1", here / "v2")
    assert not found.equal
    assert (found.count("changed"), found.count("unchanged")) == (2, len(MODEL) - 2)
    status = {one.path: one.status for one in found.files}
    assert status["old.txt"] == "removed"
    assert status["config.json"] == "unchanged"
    assert {path for path, one in status.items() if one == "changed"} == {
        "model-00001-of-00002.safetensors"
    }


def test_a_folder_is_equal_to_itself_and_to_no_other_order_of_files(tmp_path: Path) -> None:
    one = write_tree(tmp_path / "1", {"a": b"x" * 300, "b": b""})
    other = write_tree(tmp_path / "2", {"a": b"", "b": b"x" * 300})
    assert models.diff(one, one).equal
    found = models.diff(one, other)
    assert not found.equal
    assert found.files == (FileDiff("a", "changed", 0, 300), FileDiff("b", "changed", 300, 0))


def test_shards_that_were_cut_anew_hold_the_same_tensors(tmp_path: Path) -> None:
    one = write_tree(tmp_path / "1", repository(MODEL, 2, 50))
    other = write_tree(tmp_path / "2", repository(MODEL, 3, 50))
    found = models.diff(one, other)
    assert found.count("unchanged") == len(MODEL)
    assert found.skeleton_changed


def test_a_file_and_a_folder_can_be_compared(tmp_path: Path) -> None:
    files = repository(MODEL, 1, 50)
    root = write_tree(tmp_path / "1", files)
    found = models.diff(files["model-00001-of-00001.safetensors"], root)
    assert found.count("unchanged") == len(MODEL)
    assert found.skeleton_changed
    assert found.files == ()


def test_the_command_shows_files_and_tensors(here: Session) -> None:
    text = here.succeed("diff --base v1 --target v2").decode()
    assert "files:     5 unchanged, 1 changed, 1 removed" in text
    assert "old.txt" in text
    facts = json.loads(here.succeed("diff --base v1 --target v2 --json"))
    assert {one["path"]: one["status"] for one in facts["files"]}["old.txt"] == "removed"
    assert here.run("diff --base v1 --target v2 --quiet --exit-code").returncode == 1
    assert here.run("diff --base v1 --target v1 --quiet --exit-code").returncode == 0


def test_a_session_with_folders(here: Session) -> None:
    made = json.loads(here.succeed("create --base v1 --target v2 --out p.ttp --json"))
    assert made["kind"] == "folder"
    here.succeed("verify --base v1 --patch p.ttp")
    here.succeed("apply --base v1 --patch p.ttp --out made")
    assert read_tree(here / "made") == NEW
    failed = here.run("apply --base v1 --patch p.ttp --out v1")
    assert failed.returncode == InputError.exit_code
    assert read_tree(here / "v1") == OLD
    text = here.succeed("inspect p.ttp").decode()
    assert "files:     5 unchanged, 1 changed, 1 removed" in text
    facts = json.loads(here.succeed("inspect p.ttp --json"))
    listed = {one["path"]: one for one in facts["files"]}
    assert listed["old.txt"]["status"] == "removed"
    assert listed["config.json"]["status"] == "unchanged"
    shard = listed["model-00001-of-00002.safetensors"]
    assert shard["status"] == "changed"
    assert shard["payload_size"] == facts["payload_size"]


def test_a_folder_from_a_pipe_of_a_patch(here: Session) -> None:
    here.succeed("create --base v1 --target v2 --out p.ttp")
    here.succeed("apply --base v1 --patch - --out made", (here / "p.ttp").read_bytes())
    assert read_tree(here / "made") == NEW


def test_a_folder_cannot_go_to_stdout(here: Session) -> None:
    here.succeed("create --base v1 --target v2 --out p.ttp")
    done = here.run("apply --base v1 --patch p.ttp --out -")
    assert done.returncode == InputError.exit_code
    assert done.stdout == b""


def test_fingerprints_of_folders_tell_paths_sizes_and_bytes_apart(tmp_path: Path) -> None:
    trees = [
        {"a": b"x" * 300, "b": b""},
        {"a": b"", "b": b"x" * 300},
        {"a": b"x" * 300},
        {"a/b": b"x" * 300},
        {"a": b"x" * 299 + b"y", "b": b""},
        {},
    ]
    found = [
        models.fingerprint(write_tree(tmp_path / str(i), tree)) for i, tree in enumerate(trees)
    ]
    assert len({one.combined_hash for one in found}) == len(trees)
    assert {one.format for one in found} == {"folder"}
    again = write_tree(tmp_path / "again", trees[0])
    assert models.compare_fingerprints(tmp_path / "0", again)
    assert models.fingerprint(b"x" * 300).combined_hash not in {one.combined_hash for one in found}


def test_the_fingerprint_of_a_folder_is_as_specified(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "x", {"b": b"two", "a/é": b"one"})
    hashed = b"sapwood fingerprint v1 folder\n"
    for number in (6, 2, 4):
        hashed += number.to_bytes(8, "little")
    hashed += "a/é".encode() + (3).to_bytes(8, "little")
    hashed += (1).to_bytes(8, "little") + b"b" + (3).to_bytes(8, "little") + b"onetwo"
    found = models.fingerprint(root, full=True)
    assert found.combined_hash == blake3(hashed).hexdigest()
    assert found.full_digest == hashlib.sha256(b"onetwo").hexdigest()
    assert found.file_size == 6


def test_a_large_folder_is_sampled(tmp_path: Path) -> None:
    files = {f"{i}.bin": np.random.default_rng(i).bytes(3 << 20) for i in range(2)}
    root = write_tree(tmp_path / "x", files)
    before = models.fingerprint(root)
    changed = np.frombuffer(files["1.bin"], np.uint8).copy()
    changed[1 << 20 : 2 << 20] ^= 255
    (root / "1.bin").write_bytes(changed.tobytes())
    assert not before.matches(models.fingerprint(root))
