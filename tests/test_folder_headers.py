"""Lists of files that no honest writer makes are refused, and nothing is written anywhere."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folder_trees import names_below, read_tree, write_tree
from patch_writer import Parts, parts_of
from sapwood import models
from sapwood.errors import (
    InvalidPatch,
    IoError,
    LimitExceeded,
    SapwoodError,
    TargetHashMismatch,
    UnsupportedPatch,
)
from sapwood.models.folders.output import FolderWriter, target_output
from sapwood.patch.file_lists import MOST_FILES, FileEntry, path_fault
from sapwood.patch.parsing import parse_front

BASE = {"a": b"one" * 100, "b/c": b"two" * 100}
TARGET = {"a": b"one" * 99 + b"1", "b/c": b"two" * 100, "d": b""}
SIZE = sum(map(len, TARGET.values()))

Change = Callable[[Parts], None]


def patch_of(folder: Path) -> bytes:
    """An honest patch between two folders."""
    out = io.BytesIO()
    models.create_patch(write_tree(folder / "v1", BASE), write_tree(folder / "v2", TARGET), out)
    return out.getvalue()


def files(*listed: Any) -> Change:
    """Other files of the target; a path alone is that of a file with all the bytes."""

    def change(parts: Parts) -> None:
        parts.header["target"]["files"] = [
            {"path": one, "size": SIZE if i == 0 else 0} if isinstance(one, str) else one
            for i, one in enumerate(listed)
        ]

    return change


def base_files(*listed: Any) -> Change:
    """Other files of the base."""
    return lambda parts: parts.header["bases"][0].update(files=list(listed))


def of_kind(kind: str) -> Change:
    """Another kind."""
    return lambda parts: parts.header.update(kind=kind)


def no_folders(parts: Parts) -> None:
    for one in (parts.header["target"], *parts.header["bases"]):
        del one["files"]


def one(path: Any, size: Any = SIZE, **more: Any) -> dict[str, Any]:
    return {"path": path, "size": size, **more}


def many(count: int) -> Change:
    return files(*(one(f"{i:07d}", SIZE if i == 0 else 0) for i in range(count)))


HOSTILE: dict[str, Change] = {
    "up": files("../evil"),
    "up inside": files("a/../../evil"),
    "up alone": files(".."),
    "the folder itself": files("."),
    "absolute": files("/tmp/evil"),
    "no name": files(""),
    "an empty part": files("a//b"),
    "a folder's name": files("a/"),
    "a part that is a point": files("a/./b"),
    "a backslash": files("a\\..\\evil"),
    "a drive": files("C:evil"),
    "a drive inside": files("a/c:evil"),
    "a NUL": files("a\0b"),
    "a line feed": files("a\nb"),
    "an escape": files("a\x1b[2J"),
    "a delete": files("a\x7f"),
    "half a surrogate pair": files("\ud800"),
    "a long path": files("/".join(["x" * 250] * 17)),
    "a long part": files("x" * 256),
    "a long part of few letters": files("é" * 128),
    "deep folders": files("/".join("x" * 65)),
    "a path twice": files("a", "a"),
    "out of order": files("b", "a"),
    "a file in a file": files("a", "a/b"),
    "a file in a file, apart": files("a", "a-b", "a/b"),
    "too few bytes": files(one("a", SIZE - 1)),
    "too many bytes": files(one("a", SIZE), one("b", 1)),
    "sizes that overflow": files(one("a", 2**63 - 1), one("b", 2**63 - 1)),
    "a size of 2^63": files(one("a", 2**63)),
    "a negative size": files(one("a", SIZE + 1), one("b", -1)),
    "a size that is no number": files(one("a", "300")),
    "a size that is true": files(one("a", True)),
    "a path that is no text": files(one(7)),
    "a file without a path": files({"size": SIZE}),
    "a file that is no object": lambda parts: parts.header["target"].update(files=["a"]),
    "a list that is none": lambda parts: parts.header["target"].update(files={"a": SIZE}),
    "a list that is null": lambda parts: parts.header["target"].update(files=None),
    "executable by number": files(one("a", executable=1)),
    "no files at all": files(),
    "more files than allowed": many(MOST_FILES + 1),
    "a million files": many(1_000_000),
    "a base out of the folder": base_files(one("../v1/a", 600)),
    "a base's file twice": base_files(one("a", 300), one("a", 300)),
    "no folders": no_folders,
}


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
    """Where "A" and "a" are one file, the second is not written over the first."""
    opened = os.open

    def folding(path: Any, *rest: Any, **more: Any) -> int:
        name = os.fspath(path)
        return opened(f"{name[:-1]}a" if name.endswith("/A") else path, *rest, **more)

    monkeypatch.setattr(os, "open", folding)
    folder = tmp_path / "x"
    entries = (FileEntry("A", 1), FileEntry("a", 1))
    with pytest.raises(IoError, match="exists"), target_output(folder, entries) as out:
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
        "models.apply_patch('v1', 'p', 'out', progress=lambda done, total: os._exit(9))"
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
    if path_fault(path) is None:
        root = "/root/of/all"
        assert os.path.normpath(f"{root}/{path}") == f"{root}/{path}"
        assert path.isprintable() or all(ord(c) >= 0x20 for c in path)
