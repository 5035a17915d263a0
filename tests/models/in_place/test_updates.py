"""Updates of a file in place: what they come to, and what goes wrong without a kill."""

from __future__ import annotations

import dataclasses
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sapwood import models
from sapwood.errors import (
    InputError,
    InvalidJournal,
    InvalidPatch,
    IoError,
    LimitExceeded,
    SapwoodError,
    SignatureError,
    SourceHashMismatch,
    TargetHashMismatch,
)
from sapwood.files.locked_file import locked_file
from sapwood.models import Slots
from sapwood.models.applying.in_place import undoing
from sapwood.models.applying.in_place.journal_format import HEAD, SLOT, JournalHead
from sapwood.models.applying.in_place.journal_place import journal_path
from sapwood.patch.format.parsing import parse_front
from sapwood.patch.format.serialising import serialise_front
from support.child_processes import run_child
from support.in_place_pairs import NEW, OLD, PAIRS, patch_of
from support.journal_writer import resealed
from support.model_files import safetensors_file, tuned, weights

BASE, TARGET = PAIRS["a longer header"]
PATCH = patch_of("a longer header")


class Stop(BaseException):
    """Something that no code catches, as an interrupt by the user."""


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # no power is cut here


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(BASE)
    return path


def apply_in_place(path: object, patch: object, **options: Any) -> models.PatchApplication:
    """An update in small steps."""
    return models.in_place.apply(path, patch, **{"step": 2048, **options})  # type: ignore[arg-type]


def names(path: Path) -> list[str]:
    """All that is in the folder of a file."""
    return sorted(one.name for one in path.parent.iterdir())


def half_updated(path: Path, patch: bytes = PATCH, *, undo: bool = True) -> None:
    """Begins an update and leaves it half done."""

    def stop(done: int, total: int) -> None:
        if 2 * done > total:
            raise Stop

    with pytest.raises(Stop):
        apply_in_place(
            path,
            patch,
            undo=undo,
            receiving=models.Receiving(progress=stop if undo else Late(stop)),
        )


class Late:
    """Progress that listens when the patch was tried, as it is without undo."""

    def __init__(self, then: object) -> None:
        self.then, self.tried = then, False

    def __call__(self, done: int, total: int) -> None:
        if self.tried:
            self.then(done, total)  # type: ignore[operator]
        self.tried = self.tried or done == total


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("step", [2048, 16 << 20])
def test_forth_back_and_forth(name: str, step: int, tmp_path: Path) -> None:
    base, target = PAIRS[name]
    model = tmp_path / "model"
    model.write_bytes(base)
    if base != target:
        options = {"step": step, "receiving": models.Receiving(threads=2)}
        found = apply_in_place(model, patch_of(name), keep_undo=True, **options)
        assert found.is_valid()
        assert model.read_bytes() == target
        models.in_place.roll_back(model, receiving=models.Receiving(threads=2))
        assert model.read_bytes() == base
    assert apply_in_place(model, patch_of(name), undo=False, step=step).is_valid()
    assert model.read_bytes() == target
    assert names(model) == ["model"]


def test_undoing_a_fine_tune_costs_about_a_patch(tmp_path: Path) -> None:
    old = {"w": weights(1, (512, 512))}
    base, target = (safetensors_file(x) for x in (old, {"w": tuned(old["w"], 2)}))
    patch = io.BytesIO()
    models.create_patch(base, target, patch)
    size = len(patch.getvalue())
    model = tmp_path / "model"
    model.write_bytes(base)
    apply_in_place(model, patch.getvalue(), keep_undo=True)
    slots = 2 * 2 * old["w"].size  # a step is a chunk here, which is all of the tensor
    assert journal_path(model).stat().st_size - slots < 1.2 * size + 4096
    assert size < 0.6 * len(target)
    models.in_place.roll_back(model)
    assert model.read_bytes() == base


def test_residuals_bring_every_bit_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "LEAST_PLANNED", 0)
    strange = np.array([0x7FC1, 0xFFFF, 0x8000, 0x0001] * 300, np.uint16)
    old = {**OLD, "strange": strange.view(np.float16)}
    new = {**NEW, "strange": strange[::-1].copy().view(np.float16)}
    base, target = safetensors_file(old), safetensors_file(new, {"longer": "header"})
    patch = io.BytesIO()
    models.create_patch(base, target, patch, chunk_size=1024)
    model = tmp_path / "model"
    model.write_bytes(base)
    apply_in_place(model, patch.getvalue(), keep_undo=True)
    models.in_place.roll_back(model)
    assert model.read_bytes() == base


def test_a_merge_of_several_bases(tmp_path: Path) -> None:
    a, b = weights(1, (64, 64)), weights(2, (64, 64))
    files = [safetensors_file({"w": array}) for array in (a, b)]
    merged = safetensors_file(
        {"w": (a.astype(np.float32) / 2 + b.astype(np.float32) / 2).astype(a.dtype)}
    )
    patch = io.BytesIO()
    models.create_patch(files, merged, patch, chunk_size=1024)
    model = tmp_path / "model"
    for own, other in (files, files[::-1]):
        model.write_bytes(own)
        with pytest.raises(SourceHashMismatch):
            apply_in_place(model, patch.getvalue())
        assert model.read_bytes() == own
        assert names(model) == ["model"]
        apply_in_place(model, patch.getvalue(), sources=[other], keep_undo=True)
        assert model.read_bytes() == merged
        models.in_place.roll_back(model)
        assert model.read_bytes() == own


def test_the_file_stays_the_same_file(model: Path, tmp_path: Path) -> None:
    model.chmod(0o640)
    (tmp_path / "current").symlink_to(".")
    before = model.stat()
    apply_in_place(tmp_path / "current" / "model", PATCH)
    after = model.stat()
    assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o640)
    assert names(model) == ["current", "model"]


def test_the_journal_is_private_and_named_for_the_file(model: Path) -> None:
    half_updated(model)
    journal = model.with_name(".model.sapwood-journal")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    long = model.with_name("x" * 255)
    long.write_bytes(BASE)
    apply_in_place(long, PATCH)
    assert long.read_bytes() == TARGET


def written(file: Path) -> tuple[int, int, int]:
    """What writing to a file changes of its status, and reading it does not."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def test_an_update_that_is_done_already(model: Path) -> None:
    apply_in_place(model, PATCH)
    before = written(model)
    assert apply_in_place(model, PATCH).is_valid()
    assert written(model) == before
    assert names(model) == ["model"]


def test_an_interrupted_update_goes_on_or_back(model: Path) -> None:
    half_updated(model)
    assert model.read_bytes() not in (BASE, TARGET)
    models.in_place.roll_back(model)
    assert model.read_bytes() == BASE
    half_updated(model)
    apply_in_place(model, PATCH)
    assert model.read_bytes() == TARGET
    assert names(model) == ["model"]


@pytest.mark.parametrize("stop", [1, 3])
def test_a_file_that_is_the_target_before_the_last_step(stop: int, tmp_path: Path) -> None:
    """What is left writes what is there already; the way back is still there."""
    old = weights(9, (8000,)).tobytes()
    new = b"new" + old[3:]
    patch = io.BytesIO()
    models.create_patch(old, new, patch, chunk_size=1024)
    model = tmp_path / "model"

    def begin() -> None:
        calls = iter(range(1, stop))

        def end(done: int, total: int) -> None:
            if next(calls, None) is None:
                raise Stop

        model.write_bytes(old)
        with pytest.raises(Stop):
            apply_in_place(model, patch.getvalue(), receiving=models.Receiving(progress=end))
        assert model.read_bytes() == new

    begin()
    models.in_place.roll_back(model)
    assert model.read_bytes() == old
    begin()
    apply_in_place(model, patch.getvalue(), keep_undo=True)
    assert model.read_bytes() == new
    models.in_place.roll_back(model)
    assert model.read_bytes() == old
    begin()
    apply_in_place(model, patch.getvalue())
    assert names(model) == ["model"]


def test_a_step_that_changes_nothing_and_whose_slot_is_torn(tmp_path: Path) -> None:
    """The file has what it writes; it counts as done, and its number is not given again."""
    old = weights(9, (8000,)).tobytes()
    new = b"new" + old[3:-3] + b"new"
    patch = io.BytesIO()
    models.create_patch(old, new, patch, chunk_size=1024)
    model = tmp_path / "model"
    model.write_bytes(old)
    path = journal_path(model)

    def begin(steps: int) -> None:
        calls = iter(range(1, steps))

        def end(done: int, total: int) -> None:
            if next(calls, None) is None:
                raise Stop

        with pytest.raises(Stop):
            apply_in_place(model, patch.getvalue(), receiving=models.Receiving(progress=end))

    begin(2)
    torn = bytearray(path.read_bytes())
    torn[HEAD.size + SLOT.size] ^= 1  # step 2 is in slot 0
    path.write_bytes(torn)
    begin(2)
    half, journal = model.read_bytes(), path.read_bytes()
    models.in_place.roll_back(model)
    assert model.read_bytes() == old
    model.write_bytes(half)
    path.write_bytes(journal)
    apply_in_place(model, patch.getvalue())
    assert model.read_bytes() == new


def test_a_base_that_is_the_target_needs_no_other(tmp_path: Path) -> None:
    files = [safetensors_file({"w": weights(seed, (64, 64))}) for seed in (1, 2)]
    patch = io.BytesIO()
    models.create_patch(files, files[1], patch)
    model = tmp_path / "model"
    model.write_bytes(files[1])
    before = written(model)
    assert apply_in_place(model, patch.getvalue()).is_valid()
    assert written(model) == before
    assert names(model) == ["model"]


def test_kept_undo_is_there_until_it_is_confirmed(model: Path) -> None:
    apply_in_place(model, PATCH, keep_undo=True)
    apply_in_place(model, PATCH, keep_undo=True)
    assert len(names(model)) == 2
    models.in_place.confirm(model)
    assert names(model) == ["model"]
    with pytest.raises(InputError, match="nothing to do"):
        models.in_place.confirm(model)
    model.write_bytes(BASE)
    half_updated(model)
    with pytest.raises(InputError, match="half updated"):
        models.in_place.confirm(model)
    apply_in_place(model, PATCH, keep_undo=True)
    apply_in_place(model, PATCH)
    assert names(model) == ["model"]


def test_without_undo_there_is_no_way_back(model: Path) -> None:
    half_updated(model, undo=False)
    with pytest.raises(InputError, match="no way back"):
        models.in_place.roll_back(model)
    apply_in_place(model, PATCH)
    assert model.read_bytes() == TARGET
    with pytest.raises(InputError, match="keep_undo"):
        apply_in_place(model, PATCH, undo=False, keep_undo=True)
    with pytest.raises(InputError, match="nothing to do"):
        models.in_place.roll_back(model)


def test_a_half_updated_file_is_told_by_other_commands(model: Path, tmp_path: Path) -> None:
    half_updated(model)
    with pytest.raises(SourceHashMismatch, match="roll-back"):
        models.apply_patch(model, PATCH, tmp_path / "out")
    assert "roll-back" in (models.verify_patch(model, PATCH).error or "")
    with pytest.raises(SourceHashMismatch, match="another patch"):
        apply_in_place(model, patch_of("a tensor less"))
    models.in_place.roll_back(model)
    assert model.read_bytes() == BASE


# What goes wrong.

FRONT = parse_front(PATCH)


def lying(**changes: object) -> bytes:
    """The patch with a target that it does not lead to."""
    target = dataclasses.replace(FRONT.header.target, **changes)  # type: ignore[arg-type]
    header = dataclasses.replace(FRONT.header, target=target)
    front = (FRONT.segments, FRONT.tables, FRONT.body_size, FRONT.body_digest)
    return serialise_front(header, *front) + PATCH[FRONT.size :]


def with_wrong_chunk(which: int) -> bytes:
    """The patch with a chunk that comes out otherwise."""
    *others, last = FRONT.segments
    chunks = list(last.chunks)
    chunks[which] = dataclasses.replace(chunks[which], digest=bytes(16))
    segments = (*others, dataclasses.replace(last, chunks=tuple(chunks)))
    front = (FRONT.tables, FRONT.body_size, FRONT.body_digest)
    return serialise_front(FRONT.header, segments, *front) + PATCH[FRONT.size :]


FAILURES: dict[str, tuple[bytes, bytes, type[SapwoodError]]] = {
    "wrong base": (BASE[:-1] + b"x", PATCH, SourceHashMismatch),
    "short base": (BASE[:-1], PATCH, SourceHashMismatch),
    "damaged body": (BASE, PATCH[:-1] + b"x", InvalidPatch),
    "cut off": (BASE, PATCH[:-1], InvalidPatch),
    "wrong target": (BASE, lying(sha256=bytes(32)), TargetHashMismatch),
    "wrong first chunk": (BASE, with_wrong_chunk(0), TargetHashMismatch),
    "wrong last chunk": (BASE, with_wrong_chunk(-1), TargetHashMismatch),
}


@pytest.mark.parametrize("undo", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_patch_that_leads_nowhere_changes_nothing(
    failure: str, undo: bool, tmp_path: Path
) -> None:
    base, patch, error = FAILURES[failure]
    model = tmp_path / "model"
    model.write_bytes(base)
    with pytest.raises(error):
        apply_in_place(model, patch, undo=undo)
    assert model.read_bytes() == base
    assert names(model) == ["model"]


def test_an_unsigned_patch_is_refused(model: Path) -> None:
    public, _ = models.generate_keypair()
    with pytest.raises(SignatureError):
        apply_in_place(model, PATCH, receiving=models.Receiving(models.Trust(public)))
    assert model.read_bytes() == BASE
    assert names(model) == ["model"]


def test_two_at_once(model: Path) -> None:
    half_updated(model)
    half = model.read_bytes()
    for call in (
        lambda: apply_in_place(model, PATCH),
        lambda: models.in_place.roll_back(model),
        lambda: models.in_place.confirm(model),
    ):
        with locked_file(model), pytest.raises(IoError, match="another process"):
            call()
    assert model.read_bytes() == half
    apply_in_place(model, PATCH)
    assert model.read_bytes() == TARGET


def test_places_that_cannot_be_updated(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, error in (
        (tmp_path, IoError),
        (tmp_path / "missing", IoError),
        (tmp_path / "pipe", InputError),
    ):
        with pytest.raises(error, match=str(place)):
            apply_in_place(place, PATCH)
        with pytest.raises(error, match=str(place)):
            models.in_place.roll_back(place)


NO_PERMISSION = """
import os
from sapwood import models
from sapwood.errors import IoError
patch = open("patch", "rb").read()
apply = models.in_place.apply  # imported while that is allowed
if os.geteuid() == 0:
    os.seteuid(65534)
for name in ("locked/model", "readonly"):
    try:
        apply(name, patch)
    except IoError as e:
        print(e)
"""


def test_a_folder_or_file_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "locked").mkdir()
        for file, mode in (("locked/model", 0o666), ("readonly", 0o444), ("patch", 0o444)):
            (folder / file).write_bytes(PATCH if file == "patch" else BASE)
            (folder / file).chmod(mode)
        (folder / "locked").chmod(0o555)
        printed = run_child(NO_PERMISSION, folder=folder)
        (folder / "locked").chmod(0o755)
        assert [line.rpartition(": ")[2] for line in printed.splitlines()] == [
            "Permission denied"
        ] * 2
        assert names(folder / "locked" / "model") == ["model"]
        assert (folder / "locked" / "model").read_bytes() == BASE


FULL_DISK = """
import pathlib, resource, sys
from sapwood import models
from sapwood.errors import IoError
base, target = (pathlib.Path(name).read_bytes() for name in ("base", "target"))
file, journal = pathlib.Path("out/model"), pathlib.Path("out/.model.sapwood-journal")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def limited(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
limit = 0
while True:
    limited(hard)
    file.write_bytes(base)
    limit += 199
    limited(limit)
    try:
        models.in_place.apply(file, "patch", keep_undo=True, step=2048)
    except IoError as e:
        assert "too large" in str(e), e
        half, kept = file.read_bytes(), journal.exists() and journal.read_bytes()
        names = sorted(path.name for path in file.parent.iterdir())
        if not kept:
            assert (half, names) == (base, ["model"]), (limit, names)
            print("nothing")
            continue
        models.in_place.roll_back(file)  # needs no more room
        assert file.read_bytes() == base
        limited(hard)
        file.write_bytes(half)
        journal.write_bytes(kept)
        models.in_place.apply(file, "patch", step=2048)
        assert file.read_bytes() == target
        print("half")
    else:
        assert file.read_bytes() == target
        break
print("done")
"""


@pytest.mark.parametrize("name", ["a longer header", "a tensor less", "tensors in another order"])
def test_a_full_disk_can_be_gone_on_or_back_from(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    base, target = PAIRS[name]
    for file, data in (("base", base), ("target", target), ("patch", patch_of(name))):
        (tmp_path / file).write_bytes(data)
    printed = run_child(FULL_DISK, folder=tmp_path).splitlines()
    assert printed[-1] == "done"
    assert {"nothing", "half"} <= set(printed)


# Damaged journals, and files that somebody else changes.


def never_wrong(model: Path) -> str:
    """Goes on, or back; what it came to. Where it says it worked, it did."""
    half, journal = model.read_bytes(), journal_path(model).read_bytes()
    came = []
    for call, content in (
        (lambda: apply_in_place(model, PATCH), TARGET),
        (lambda: models.in_place.roll_back(model), BASE),
    ):
        try:
            call()
        except SapwoodError as e:
            came.append(type(e).__name__)
        else:
            assert model.read_bytes() == content
            came.append("right")
        model.write_bytes(half)
        journal_path(model).write_bytes(journal)
    return " ".join(came)


def test_a_journal_that_is_damaged_anywhere(model: Path) -> None:
    half_updated(model)
    whole = journal_path(model).read_bytes()
    found = set()
    for at in (*range(0, 300, 7), *range(300, len(whole), 53)):
        journal_path(model).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        found.add(never_wrong(model))
    assert "right right" in found  # slots that are not needed any more
    assert "InvalidJournal InvalidJournal" in found


def test_a_journal_that_is_cut_off_anywhere(model: Path) -> None:
    half_updated(model)
    whole = journal_path(model).read_bytes()
    found = set()
    for size in range(0, len(whole), 197):
        journal_path(model).write_bytes(whole[:size])
        found.add(never_wrong(model))
    assert "InvalidJournal InvalidJournal" in found


@settings(max_examples=50)
@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_as_a_journal(data: bytes, magic: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.write_bytes(BASE)
        journal_path(model).write_bytes((b"\x89SWJ\r\n\x1a\n\x01\0" if magic else b"") + data)
        for call in (
            lambda: apply_in_place(model, PATCH),
            lambda: models.in_place.roll_back(model),
        ):
            with pytest.raises(InvalidJournal, match="remove the journal"):
                call()
        assert model.read_bytes() == BASE


@settings(max_examples=150)
@given(st.data())
def test_a_journal_that_lies_with_every_digest_right(data: st.DataObject) -> None:
    """Numbers of head, slots and records are replaced; what comes back is right or refused."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.write_bytes(BASE)
        half_updated(model)
        half, journal = model.read_bytes(), bytearray(journal_path(model).read_bytes())
        assert resealed(bytes(journal)) == journal
        head = JournalHead.parsed(bytes(journal))
        stride, records = head.slot_stride, head.records_begin
        for _ in range(data.draw(st.integers(1, 3))):
            near = st.sampled_from((0, HEAD.size, stride + HEAD.size, records))
            at = min(data.draw(near) + data.draw(st.integers(0, 400)), len(journal) - 8)
            number = data.draw(st.sampled_from((0, 1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1)))
            width = data.draw(st.sampled_from((1, 4, 8)))
            journal[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
        hostile = resealed(bytes(journal))
        for call, content in (
            (lambda: apply_in_place(model, PATCH), TARGET),
            (lambda: models.in_place.roll_back(model), BASE),
        ):
            model.write_bytes(half)
            journal_path(model).write_bytes(hostile)
            try:
                call()
            except SapwoodError:
                continue
            assert model.read_bytes() == content


def test_a_journal_after_whose_last_slot_no_number_is_left(model: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        apply_in_place(model, PATCH, receiving=models.Receiving(progress=stop))
    half, data = model.read_bytes(), bytearray(journal_path(model).read_bytes())
    head = JournalHead.parsed(bytes(data))
    first = HEAD.size + head.slot_stride
    for at in (first, head.records_begin + 8):
        data[at : at + 8] = (2**64 - 1).to_bytes(8, "little")
    for call in (lambda: apply_in_place(model, PATCH), lambda: models.in_place.roll_back(model)):
        model.write_bytes(half)
        journal_path(model).write_bytes(resealed(bytes(data)))
        with pytest.raises(SapwoodError):
            call()


def test_a_journal_that_claims_huge_steps(model: Path) -> None:
    half_updated(model)
    path = journal_path(model)
    head = JournalHead.parsed(path.read_bytes())
    with path.open("r+b") as file:
        file.write(dataclasses.replace(head, slot_size=1 << 32).serialised())
        file.truncate(1 << 34)  # a hole, which takes no room
    for call in (lambda: apply_in_place(model, PATCH), lambda: models.in_place.roll_back(model)):
        with pytest.raises(LimitExceeded, match=r"Limits\.chunk"):
            call()


def test_a_journal_that_is_no_file(model: Path) -> None:
    journal_path(model).symlink_to(model)
    with pytest.raises(IoError, match="symbolic links"):
        apply_in_place(model, PATCH)
    journal_path(model).unlink()
    os.mkfifo(journal_path(model))
    with pytest.raises(InvalidJournal, match="no regular file"):
        models.in_place.roll_back(model)
    assert model.read_bytes() == BASE


def test_a_file_that_was_got_anew_meanwhile(model: Path) -> None:
    """The journal of a file that is whole again is of no use, and does no harm."""
    half_updated(model)
    journal = journal_path(model).read_bytes()
    model.unlink()
    model.write_bytes(BASE)
    models.in_place.roll_back(model)
    assert model.read_bytes() == BASE
    journal_path(model).write_bytes(journal)
    apply_in_place(model, PATCH)
    assert model.read_bytes() == TARGET
    journal_path(model).write_bytes(journal)
    apply_in_place(model, PATCH)
    assert model.read_bytes() == TARGET
    assert names(model) == ["model"]


@pytest.mark.parametrize("other", [TARGET[::-1], BASE[::-1], b"", b"x" * 100_000])
def test_another_file_in_its_place_is_left_alone(other: bytes, model: Path) -> None:
    half_updated(model)
    model.unlink()
    model.write_bytes(other)
    for call in (lambda: apply_in_place(model, PATCH), lambda: models.in_place.roll_back(model)):
        with pytest.raises(InvalidJournal, match="somebody else"):
            call()
        assert model.read_bytes() == other


def test_a_byte_that_somebody_changes_meanwhile_is_noticed(model: Path) -> None:
    half_updated(model)
    half = model.read_bytes()
    journal = journal_path(model).read_bytes()
    for at in range(0, len(half), 263):
        for call in (
            lambda: apply_in_place(model, PATCH),
            lambda: models.in_place.roll_back(model),
        ):
            model.write_bytes(half[:at] + bytes([half[at] ^ 1]) + half[at + 1 :])
            journal_path(model).write_bytes(journal)
            try:
                call()
            except SapwoodError:
                continue
            assert model.read_bytes() in (BASE, TARGET)  # done again, from the journal


def test_a_patch_of_a_folder_is_refused(model: Path, tmp_path: Path) -> None:
    for name, data in (("old", BASE), ("new", TARGET)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").write_bytes(data)
    models.create_patch(tmp_path / "old", tmp_path / "new", tmp_path / "patch")
    models.create_patch(BASE, tmp_path / "new", tmp_path / "grown")
    slots = Slots(tmp_path / "slots")
    slots.install(BASE, "model")
    for patch in (tmp_path / "patch", tmp_path / "grown"):
        with pytest.raises(InputError, match="folder"):
            apply_in_place(model, patch)
        with pytest.raises(InputError, match="folder"):
            slots.prepare(patch)
    assert model.read_bytes() == BASE
