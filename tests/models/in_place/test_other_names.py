"""Files that others know by other names are not changed under them, unless it was begun."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood import models
from sapwood.errors import InputError, IoError, SourceHashMismatch
from support.in_place_pairs import PAIRS, patch_of

pytestmark = pytest.mark.quick

BASE, TARGET = PAIRS["a longer header"]
PATCH = patch_of("a longer header")


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no power is cut here


@dataclasses.dataclass(frozen=True)
class Shared:
    """A file with another name: the one that is updated by, and the one that is not to change."""

    path: Path
    other: Path

    def names(self) -> list[Path]:
        """All that is in both folders."""
        return sorted({*self.path.parent.iterdir(), *self.other.parent.iterdir()})


def hard_linked(folder: Path) -> Shared:
    (folder / "model").write_bytes(BASE)
    (folder / "backup").hardlink_to(folder / "model")
    return Shared(folder / "model", folder / "backup")


def linked(folder: Path) -> Shared:
    (folder / "v1").write_bytes(BASE)
    (folder / "latest").symlink_to("v1")
    return Shared(folder / "latest", folder / "v1")


def snapshot(folder: Path) -> Shared:
    """A file in the cache of Hugging Face, of two revisions."""
    blob = folder / "blobs" / hashlib.sha256(BASE).hexdigest()
    blob.parent.mkdir()
    blob.write_bytes(BASE)
    for revision in ("main", "pinned"):
        (folder / "snapshots" / revision).mkdir(parents=True)
        place = folder / "snapshots" / revision / "model.safetensors"
        place.symlink_to(f"../../blobs/{blob.name}")
    return Shared(folder / "snapshots/main/model.safetensors", blob)


KINDS = pytest.mark.parametrize("kind", [hard_linked, linked, snapshot])
Kind = Callable[[Path], Shared]


@KINDS
@pytest.mark.parametrize("undo", [True, False])
def test_other_names_are_refused(kind: Kind, undo: bool, tmp_path: Path) -> None:
    shared = kind(tmp_path)
    before = shared.names()
    with pytest.raises(InputError, match="--break-links"):
        models.in_place.apply(shared.path, PATCH, undo=undo)
    assert shared.path.read_bytes() == shared.other.read_bytes() == BASE
    assert shared.names() == before


@KINDS
def test_links_are_broken_when_asked_for(kind: Kind, tmp_path: Path) -> None:
    shared = kind(tmp_path)
    shared.other.chmod(0o640)
    before = shared.names()
    result = models.in_place.apply(shared.path, PATCH, break_links=True, keep_undo=True)
    assert result.is_valid()
    assert (shared.path.read_bytes(), shared.other.read_bytes()) == (TARGET, BASE)
    assert not shared.path.is_symlink()
    assert stat.S_IMODE(shared.path.stat().st_mode) == 0o640
    models.in_place.roll_back(shared.path)
    assert shared.path.read_bytes() == BASE
    assert shared.names() == before


@KINDS
def test_nothing_is_broken_for_nothing(kind: Kind, tmp_path: Path) -> None:
    shared = kind(tmp_path)
    inode = shared.path.stat().st_ino
    with pytest.raises(SourceHashMismatch):
        models.in_place.apply(shared.path, patch_of("halves that changed places"), break_links=True)
    shared.other.write_bytes(TARGET)
    for break_links in (True, False):
        assert models.in_place.apply(shared.path, PATCH, break_links=break_links).is_valid()
    assert shared.path.stat().st_ino == inode


@KINDS
def test_a_copy_that_fails_changes_nothing(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    shared = kind(tmp_path)
    before = shared.names()
    with pytest.raises(IoError, match="No space"):
        models.in_place.apply(shared.path, PATCH, break_links=True)
    assert shared.path.samefile(shared.other)
    assert shared.other.read_bytes() == BASE
    assert shared.names() == before


def test_a_blob_keeps_what_its_name_says(tmp_path: Path) -> None:
    shared = snapshot(tmp_path)
    for break_links in (True, False):
        with pytest.raises(InputError, match=r"digest of what is in it.*another file"):
            models.in_place.apply(shared.other, PATCH, break_links=break_links)
    with pytest.raises(InputError, match="remove the link first"):
        models.apply_patch(BASE, PATCH, shared.path)
    assert shared.other.read_bytes() == BASE


def stopped_by_half(done: int, total: int) -> None:
    if 2 * done > total:
        raise KeyboardInterrupt


@pytest.mark.parametrize("back", [True, False])
def test_what_was_begun_goes_on_by_any_name(back: bool, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(BASE)
    with pytest.raises(KeyboardInterrupt):
        models.in_place.apply(
            model, PATCH, step=2048, receiving=models.Receiving(progress=stopped_by_half)
        )
    assert model.read_bytes() not in (BASE, TARGET)
    (tmp_path / "other").hardlink_to(model)
    if back:
        models.in_place.roll_back(model)
    else:
        models.in_place.apply(model, PATCH, step=2048)
    expected = BASE if back else TARGET
    assert model.read_bytes() == (tmp_path / "other").read_bytes() == expected


def test_a_whole_target_is_not_rolled_back_under_others(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(BASE)
    models.in_place.apply(model, PATCH, keep_undo=True)
    (tmp_path / "backup").hardlink_to(model)
    with pytest.raises(InputError, match=r"hard links.*remove the other names first"):
        models.in_place.roll_back(model)
    assert model.read_bytes() == TARGET
    (tmp_path / "backup").unlink()
    models.in_place.roll_back(model)
    assert model.read_bytes() == BASE


def test_a_slot_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    slots = models.Slots(tmp_path / "slots")
    slots.install(BASE, "model")
    (tmp_path / "slots" / "b").symlink_to(elsewhere)
    with pytest.raises(InputError, match="found a link"):
        slots.prepare(PATCH)
    assert [one.name for one in elsewhere.iterdir()] == ["precious"]
    assert slots.active is not None
    assert slots.active.letter == "a"


def test_slots_leave_other_names_alone(tmp_path: Path) -> None:
    slots = models.Slots(tmp_path / "slots")
    for _ in range(2):
        installed = slots.install(BASE, "model")
        (tmp_path / f"backup-{installed.letter}").hardlink_to(installed.path)
    slots.prepare(PATCH)
    assert slots.switch().path.read_bytes() == TARGET
    assert {one.read_bytes() for one in tmp_path.glob("backup-*")} == {BASE}
