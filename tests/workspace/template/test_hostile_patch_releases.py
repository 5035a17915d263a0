"""Patches of weights that lie, and kills while one is applied: all is as it was, or done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sapwood import create_patch, models
from sapwood.errors import InvalidPackage
from sapwood.workspace import Action, State, Workspace, parse_manifest
from support.chosen_calls import numbers
from support.failing_calls import KILLING, calls_of, killed_at
from support.patch_releases import MODEL, OTHER, PATCH, entry, patch_between, release
from support.template_folders import user_files, write_files, write_template

MINE = b"trained on by me\n" * 50


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # only processes die here
    first, second = b"first" * 100, b"second" * 100
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: first, OTHER: "1.0.0\n"})
    new = release(tmp_path / "new", "1.1.0", first, second, "1.0.0")
    start, root = tmp_path / "start", tmp_path / "course"
    Workspace.init(start, old)

    def update() -> None:
        Workspace.open(root).update(new)

    def copy() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root)

    copy()
    count = calls_of(update, KILLING)
    assert count > 20
    for at in numbers(count):
        copy()
        assert killed_at(update, at)
        half = user_files(root)
        assert half[MODEL] in (first, second), at
        assert Workspace.open(root).record().files[MODEL].version in {"1.0.0", "1.1.0"}, at
        update()
        assert user_files(root) == {MODEL: second, OTHER: b"1.1.0\n"}, at
        assert Workspace.open(root).record().files[MODEL].version == "1.1.0", at
        assert not (root / ".course/staging").exists(), at


def folder_patch(folder: Path, first: bytes, second: bytes) -> bytes:
    """A patch whose target is a folder, of the size and SHA-256 that the manifest says."""
    write_files(folder / "a", {"f": first})
    write_files(folder / "b", {"f": second})
    return patch_between(folder / "a", folder / "b")


def refuses(workspace: Workspace, new: Path, match: str) -> None:
    """The update ends in an error, and changes nothing."""
    before, record = user_files(workspace.root), workspace.record()
    with pytest.raises(InvalidPackage, match=match):
        workspace.update(new)
    assert user_files(workspace.root) == before
    assert workspace.record() == record
    assert not (workspace.root / ".course/staging").exists()


SIZE = 600  # bytes
FIRST, SECOND, CRLF = b"first\n" * 100, b"second\n" * 100, b"second\r\n" * 100
LIES: dict[str, tuple[dict[str, object], bytes, str]] = {
    "a size too small": ({"size": 3}, SECOND, "leads to a file of 3 bytes, found"),
    "a size too large": ({"size": 1 << 35}, SECOND, "leads to a file of 34359738368 bytes, found"),
    "another hash": ({"sha256": "0" * 64}, SECOND, "leads to another version of weights/"),
    "text with CRLF": ({}, CRLF, "leads to another version of weights/"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_manifest_that_lies_changes_nothing(case: str, tmp_path: Path) -> None:
    fields, target, match = LIES[case]
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST, OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    refuses(workspace, release(tmp_path / "new", "1.1.0", FIRST, target, "1.0.0", **fields), match)


def test_a_patch_that_leads_to_a_folder_changes_nothing(tmp_path: Path) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST, OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    new = release(tmp_path / "new", "1.1.0", FIRST, SECOND, "1.0.0")
    write_files(new, {PATCH: folder_patch(tmp_path, FIRST, SECOND)})
    refuses(workspace, new, "leads to a folder")


def test_a_patch_of_a_tensor_changes_nothing(tmp_path: Path) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST, OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    zeros, ones = np.zeros(SIZE // 4, np.float32), np.ones(SIZE // 4, np.float32)
    new = release(tmp_path / "new", "1.1.0", FIRST, ones.tobytes(), "1.0.0")
    write_files(new, {PATCH: create_patch(zeros, ones).to_bytes()})
    refuses(workspace, new, f"found one that leads to a tensor of {SIZE}")


def test_a_patch_that_was_made_from_another_file_is_told(tmp_path: Path) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST, OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    new = release(tmp_path / "new", "1.1.0", b"another" * 99, SECOND, "1.0.0")
    outcome = workspace.update(new)
    (change,) = outcome.plan.conflicts
    assert (change.path, change.action) == (MODEL, Action.UNREACHABLE)
    assert "made from other bytes than yours" in (change.unmade or "")
    assert user_files(workspace.root) == {MODEL: FIRST, OTHER: b"1.1.0\n"}
    assert workspace.record().files[MODEL].version == "1.0.0"
    assert outcome.incoming == {}


def test_a_file_that_is_written_to_while_it_is_patched_is_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST, OTHER: "old\n"})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    new = release(tmp_path / "new", "1.1.0", FIRST, SECOND, "1.0.0")
    apply = models.apply_patch

    def interrupted(current: str, patch: str, output: str) -> object:
        write_files(workspace.root, {MODEL: MINE})
        return apply(current, patch, output)

    monkeypatch.setattr(models, "apply_patch", interrupted)
    (change,) = workspace.update(new).plan.conflicts
    assert change.state is State.CONFLICT  # planned anew
    assert user_files(workspace.root) == {MODEL: MINE, OTHER: b"1.1.0\n"}


HEAD = 'schema = 1\nname = "course"\nversion = "1.1.0"\n'
WEIGHTS = '[[policies]]\npattern = "weights/**"\npolicy = "weights"\n'
MANIFESTS = {
    "another policy": (HEAD + entry("1.0", SECOND, path="tests/m"), "found 'protect'"),
    "a notebook": (WEIGHTS + entry("1.0", SECOND, path="weights/m.ipynb"), "found a notebook"),
    "no size": (WEIGHTS + entry("1.0", SECOND).replace("size", "# "), "size: expected a whole"),
    "no hash": (WEIGHTS + entry("1.0", SECOND).replace("sha256", "# "), "sha256: expected text"),
    "a short hash": (WEIGHTS + entry("1.0", SECOND, sha256="00"), "64 hexadecimal"),
    "a negative size": (WEIGHTS + entry("1.0", SECOND, size=-1), r"from 0 to 2\^63 - 1, found -1"),
    "a size beyond all disks": (WEIGHTS + entry("1.0", SECOND, size=1 << 50), "expected at most"),
    "two targets": (WEIGHTS + entry("1.0", SECOND) + entry("0.9", FIRST), "one sha256"),
    "one target and none": (
        WEIGHTS + entry("1.0", SECOND) + entry("0.9", SECOND).partition("sha256")[0],
        "one sha256",
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_are_refused(case: str) -> None:
    text, match = MANIFESTS[case]
    with pytest.raises(InvalidPackage, match=match):
        parse_manifest((text if text.startswith(HEAD) else HEAD + text).encode())


NAMES = {
    "above": ("../m", "m", "sapwood-template"),
    "the record's": (".course/version.json", ".course/**", "keep their record"),
    "one in case alone": ("Tests/A.py", "Tests/**", "cannot both be files"),
    "in the way": ("tests", "tests", "cannot both be files"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_are_refused_as_those_of_files_are(case: str, tmp_path: Path) -> None:
    path, pattern, match = NAMES[case]
    new = release(tmp_path / "new", "1.1.0", FIRST, SECOND, "1.0.0", path=path)
    manifest = new / "sapwood-template.toml"
    policy = f'[[policies]]\npattern = "{pattern}"\npolicy = "weights"\n'
    manifest.write_text(HEAD + policy + manifest.read_text().partition(HEAD)[2])
    with pytest.raises(InvalidPackage, match=match):
        Workspace.init(tmp_path / "course", new)
    assert not (tmp_path / "course").exists()


def test_a_file_that_is_not_what_its_patches_lead_to_is_refused(tmp_path: Path) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST})
    workspace, _ = Workspace.init(tmp_path / "course", old)
    for number, (held, target) in enumerate([(FIRST, SECOND), (CRLF, CRLF)]):
        new = release(tmp_path / f"new{number}", "1.1.0", FIRST, target, "1.0.0")
        write_files(new, {MODEL: held})
        refuses(workspace, new, "to which patches lead by the manifest")


def test_who_may_run_a_file_stays_as_it_was(tmp_path: Path) -> None:
    old = write_template(tmp_path / "old", "1.0.0", {MODEL: FIRST}, executable=[MODEL])
    workspace, _ = Workspace.init(tmp_path / "course", old)
    workspace.update(release(tmp_path / "new", "1.1.0", FIRST, SECOND, "1.0.0"))
    assert (workspace.root / MODEL).stat().st_mode & 0o111 == 0o111
    assert workspace.record().files[MODEL].identity.executable
