"""Two slots for a model: what is in use is whole, whatever happens to the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood import models
from sapwood.errors import (
    InputError,
    InvalidPatch,
    IoError,
    SapwoodError,
    SignatureError,
    SourceHashMismatch,
)
from sapwood.models import Slots
from support.in_place_pairs import PAIRS, patch_of

BASE, TARGET = PAIRS["a longer header"]
PATCH = patch_of("a longer header")
NAME = "model.safetensors"
SCRIPT = "support.killed_slots"


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    made = Slots(tmp_path / "slots")
    made.install(BASE, NAME)
    return made


def in_use(slots: Slots) -> bytes:
    """What a program reads that opens the model."""
    return (slots.folder / "current" / NAME).read_bytes()


def test_an_update_is_made_checked_and_switched_to(slots: Slots) -> None:
    assert in_use(slots) == BASE
    assert slots.prepare(PATCH).is_valid()
    assert in_use(slots) == BASE
    assert slots.spare is not None
    assert slots.spare.path.read_bytes() == TARGET
    assert slots.switch().letter == "b"
    assert in_use(slots) == TARGET
    assert slots.roll_back().letter == "a"
    assert in_use(slots) == BASE


def test_who_has_the_model_open_keeps_it(slots: Slots) -> None:
    with (slots.folder / "current" / NAME).open("rb") as reader:
        slots.prepare(PATCH)
        slots.switch()
        assert reader.read() == BASE
    assert in_use(slots) == TARGET


def test_back_and_forth_each_only_where_there_is_something(slots: Slots) -> None:
    with pytest.raises(InputError, match="no version before"):
        slots.roll_back()
    with pytest.raises(InputError, match="nothing was prepared"):
        slots.switch()
    slots.prepare(PATCH)
    with pytest.raises(InputError, match="no version before"):
        slots.roll_back()  # what is there is the version after
    slots.switch()
    with pytest.raises(InputError, match="nothing was prepared"):
        slots.switch()
    slots.install(BASE, NAME)
    assert slots.roll_back().path.read_bytes() == TARGET


def test_there_are_never_more_than_two_models(slots: Slots) -> None:
    sizes = []

    def look(done: int, total: int) -> None:
        sizes.append(sum(path.stat().st_size for path in slots.folder.glob("[ab]/*")))

    slots.prepare(PATCH, receiving=models.Receiving(progress=look))
    slots.switch()
    slots.install(BASE, NAME)
    slots.prepare(PATCH, receiving=models.Receiving(progress=look))
    assert max(sizes) < len(BASE) + len(TARGET) + 1000


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        (PATCH[:-1], InvalidPatch),
        (PATCH[:-1] + b"x", InvalidPatch),
        (patch_of("a tensor less"), SourceHashMismatch),
    ],
)
def test_a_failed_update_changes_nothing(
    patch: bytes, error: type[SapwoodError], slots: Slots
) -> None:
    slots.install(TARGET, NAME)
    with pytest.raises(error):
        slots.prepare(patch)
    assert in_use(slots) == TARGET
    slots.roll_back()
    assert in_use(slots) == BASE
    public, _ = models.generate_keypair()
    with pytest.raises(SignatureError):
        slots.prepare(PATCH, receiving=models.Receiving(models.Trust(public)))
    assert in_use(slots) == BASE


def test_a_slot_that_was_damaged_is_not_switched_to(slots: Slots) -> None:
    slots.prepare(PATCH)
    assert slots.spare is not None
    slots.spare.path.write_bytes(TARGET[:-1] + b"x")
    with pytest.raises(SourceHashMismatch, match="install"):
        slots.switch()
    assert in_use(slots) == BASE
    slots.prepare(PATCH)
    slots.switch()
    (slots.folder / "a" / NAME).write_bytes(BASE[:-1])
    with pytest.raises(SourceHashMismatch):
        slots.roll_back()
    assert in_use(slots) == TARGET


@pytest.mark.parametrize(
    "note",
    [b"", b"{", b"[]", b'{"name": "../../up", "size": 1, "sha256": "", "serial": 9}', b"[" * 4096],
)
def test_a_note_that_is_damaged(note: bytes, slots: Slots) -> None:
    slots.prepare(PATCH)
    (slots.folder / "b" / "slot.json").write_bytes(note)
    with pytest.raises(InputError, match="nothing was prepared"):
        slots.switch()
    (slots.folder / "a" / "slot.json").write_bytes(note)
    with pytest.raises(IoError, match="install a model"):
        slots.prepare(PATCH)
    slots.install(BASE, NAME)
    assert slots.prepare(PATCH).is_valid()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "x" * 256, "\ud800", "slot.json"])
def test_a_name_that_no_file_can_have_empties_no_slot(name: str, slots: Slots) -> None:
    slots.install(TARGET, NAME)
    with pytest.raises(InputError, match="name of a file"):
        slots.install(BASE, name)
    slots.roll_back()
    assert in_use(slots) == BASE


def test_two_at_once(slots: Slots) -> None:
    refused = []

    def other(done: int, total: int) -> None:
        with pytest.raises(IoError, match="another process"):
            Slots(slots.folder).prepare(PATCH)
        refused.append(done)

    slots.prepare(PATCH, receiving=models.Receiving(progress=other))
    assert refused


def test_folders_without_a_model(tmp_path: Path) -> None:
    empty = Slots(tmp_path)
    assert (empty.active, empty.spare) == (None, None)
    with pytest.raises(InputError, match="install one"):
        empty.prepare(PATCH)
    with pytest.raises(InputError, match="name of a file"):
        empty.install(BASE, "../up")
    with pytest.raises(IoError, match="missing"):
        Slots(tmp_path / "missing").switch()
    assert list(tmp_path.iterdir()) == []


def test_a_kill_at_every_call_leaves_a_whole_model_in_use(tmp_path: Path) -> None:
    for file, data in (("base", BASE), ("target", TARGET), ("patch", PATCH)):
        (tmp_path / file).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    install, update, back = map(int, done.stdout.split())
    assert min(install, update) > 10
    assert back >= 3
