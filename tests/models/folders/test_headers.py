"""Lists of files that no honest writer makes are refused, and nothing is written anywhere."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood import models
from sapwood.documents.paths import within
from sapwood.errors import (
    InvalidPatch,
    IoError,
    LimitExceeded,
    SapwoodError,
    TargetHashMismatch,
    UnsupportedPatch,
)
from sapwood.files.folders import atomic_folder
from sapwood.files.trees import FileEntry
from sapwood.models.applying.outputs import FolderWriter
from sapwood.patch.format.parsing import parse_front
from support.folder_trees import names_below, read_tree
from support.hostile_folders import HOSTILE, TARGET, UNPORTABLE, of_kind, patch_of
from support.patch_writer import parts_of


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_list_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    parts = parts_of(patch_of(tmp_path))
    HOSTILE[case](parts)
    # As JSON may name half a surrogate pair, which UTF-8 cannot hold.
    text = json.dumps(parts.header)
    parts.header = text.encode()
    before = names_below(tmp_path)
    with pytest.raises((InvalidPatch, LimitExceeded)):
        models.apply_patch(tmp_path / "v1", parts.write(), tmp_path / "out")
    assert names_below(tmp_path) == before
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("case", UNPORTABLE)
def test_a_target_that_cannot_be_written_everywhere_is_not_written_anywhere(
    tmp_path: Path, case: str
) -> None:
    parts = parts_of(patch_of(tmp_path))
    UNPORTABLE[case](parts)
    patch = parts.write()
    assert parse_front(patch).header.target.files  # as the format demands
    before = names_below(tmp_path)
    with pytest.raises(InvalidPatch, match="nothing was written"):
        models.apply_patch(tmp_path / "v1", patch, tmp_path / "out")
    assert names_below(tmp_path) == before


def test_a_base_may_have_any_name_that_stays_in_its_folder(tmp_path: Path) -> None:
    """Of a base nothing is written."""
    parts = parts_of(patch_of(tmp_path))
    names = {"a": ".git/config", "b/c": "nul "}
    for old, new in names.items():
        (tmp_path / "v1" / new).parent.mkdir(exist_ok=True)
        (tmp_path / "v1" / old).rename(tmp_path / "v1" / new)
    for one in parts.header["bases"][0]["files"]:
        one["path"] = names[one["path"]]
    models.apply_patch(tmp_path / "v1", parts.write(), tmp_path / "out")
    assert read_tree(tmp_path / "out") == TARGET


def test_the_kind_says_whether_files_mean_anything(tmp_path: Path) -> None:
    parts = parts_of(patch_of(tmp_path))
    of_kind("model")(parts)
    front = parse_front(parts.write())
    assert front.header.target.files is None
    of_kind("forest")(parts)
    with pytest.raises(UnsupportedPatch):
        parse_front(parts.write())


def test_a_list_that_cuts_elsewhere_is_another_patch(tmp_path: Path) -> None:
    """The digest of the front, and so every signature, binds the list."""
    patch = patch_of(tmp_path)
    old = b'"path":"a","size":298'
    assert old in patch
    with pytest.raises(InvalidPatch, match="digest"):
        models.apply_patch(
            tmp_path / "v1", patch.replace(old, b'"path":"A","size":298'), tmp_path / "out"
        )
    public, private = models.generate_keypair()
    models.sign_patch(patch, private, tmp_path / "signed")
    models.apply_patch(tmp_path / "v1", tmp_path / "signed", tmp_path / "out", public)
    assert read_tree(tmp_path / "out") == TARGET


def test_a_wrong_result_leaves_no_folder(tmp_path: Path) -> None:
    parts = parts_of(patch_of(tmp_path))
    parts.header["target"]["sha256"] = "00" * 32
    before = names_below(tmp_path)
    with pytest.raises(TargetHashMismatch):
        models.apply_patch(tmp_path / "v1", parts.write(), tmp_path / "out")
    assert names_below(tmp_path) == before


def test_names_that_are_one_to_the_file_system_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two names that differ to us are one file, the second is not written over the first."""
    opened = os.open

    def folding(path: Any, *rest: Any, **more: Any) -> int:
        name = os.fspath(path)
        return opened(f"{name[:-1]}a" if name.endswith("/b") else path, *rest, **more)

    monkeypatch.setattr(os, "open", folding)
    folder = tmp_path / "x"
    entries = (FileEntry("a", 1), FileEntry("b", 1))
    with (
        pytest.raises(IoError, match="exists"),
        atomic_folder(folder) as made,
        contextlib.closing(FolderWriter(made, entries)) as out,
    ):
        out.writelines([b"1", b"2"])
    monkeypatch.undo()
    assert names_below(tmp_path) == set()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = patch_of(tmp_path)
    before = names_below(tmp_path)

    def full(_: FolderWriter, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FolderWriter, "write", full)
    with pytest.raises(IoError, match="No space left"):
        models.apply_patch(tmp_path / "v1", patch, tmp_path / "out")
    assert names_below(tmp_path) == before


def test_a_kill_half_way_leaves_no_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(patch_of(tmp_path))
    script = (
        "import os; from sapwood import models\n"
        "receiving = models.Receiving(progress=lambda done, total: os._exit(9));"
        "models.apply_patch('v1', 'p', 'out', receiving=receiving)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == 9
    assert not (tmp_path / "out").exists()
    models.apply_patch(tmp_path / "v1", tmp_path / "p", tmp_path / "out")
    assert read_tree(tmp_path / "out") == TARGET


def test_a_pipe_in_the_base_does_not_block(tmp_path: Path) -> None:
    patch = patch_of(tmp_path)
    (tmp_path / "v1/a").unlink()
    os.mkfifo(tmp_path / "v1/a")
    with pytest.raises(SapwoodError, match="found no file"):
        models.apply_patch(tmp_path / "v1", patch, tmp_path / "out")


@given(st.text(max_size=12))
def test_a_path_that_is_taken_stays_in_its_folder(path: str) -> None:
    if within(path) is None:
        root = "/root/of/all"
        assert os.path.normpath(f"{root}/{path}") == f"{root}/{path}"
        assert path.isprintable() or all(ord(c) >= 0x20 for c in path)
