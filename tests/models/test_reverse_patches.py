"""A patch and the one that leads back: both appear, or neither."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood import models
from sapwood.errors import InputError, IoError, SignatureError
from support.chain_files import made, versions
from support.child_processes import run_child
from support.cli_session import Session, write_pairs
from support.model_files import safetensors_file, weights

OLD, NEW = versions(2)
BEFORE = b"what was there before"


def both(old: Any, new: Any, **options: Any) -> tuple[bytes, bytes]:
    """The patches there and back, and that their sizes are told."""
    out, back = io.BytesIO(), io.BytesIO()
    stats = models.create_patch(old, new, out, reverse=back, threads=1, **options)
    assert (stats.patch_size, stats.reverse_size) == (len(out.getvalue()), len(back.getvalue()))
    return out.getvalue(), back.getvalue()


def test_both_are_what_each_would_be_alone() -> None:
    assert both(OLD, NEW) == (made(OLD, NEW), made(NEW, OLD))
    options: dict[str, Any] = {
        "metadata": {"step": 7},
        "created_at": 99,
        "chunk_size": 4096,
        "low_rank": False,
        "compression_level": 9,
    }
    assert both(OLD, NEW, **options) == (made(OLD, NEW, **options), made(NEW, OLD, **options))
    assert models.create_patch(OLD, NEW, io.BytesIO()).reverse_size is None


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=40)
def test_there_and_back_is_where_one_was(old: bytes, new: bytes) -> None:
    patch, reverse = both(old, new)
    there, back = io.BytesIO(), io.BytesIO()
    models.apply_patch(old, patch, there)
    models.apply_patch(there.getvalue(), reverse, back)
    assert (there.getvalue(), back.getvalue()) == (new, old)


def test_both_are_signed_alike() -> None:
    public, private = models.generate_keypair()
    patch, reverse = both(OLD, NEW, private_key=private, counter=5)
    found = models.apply_patch(
        OLD,
        patch,
        io.BytesIO(),
        receiving=models.Receiving(models.Trust(public, minimum_counter=5)),
    )
    assert found.counter == 5
    assert models.apply_patch(NEW, reverse, io.BytesIO(), public).counter == 5
    with pytest.raises(SignatureError):  # a receiver that keeps the counter is not led back
        models.apply_patch(
            NEW,
            reverse,
            io.BytesIO(),
            receiving=models.Receiving(models.Trust(public, minimum_counter=6)),
        )


def test_progress_is_that_of_both() -> None:
    told: list[tuple[int, int]] = []
    both(OLD, NEW, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (len(OLD) + len(NEW),) * 2


def test_of_several_sources_nothing_leads_back(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 bases at once"):
        models.create_patch([OLD, NEW], NEW, tmp_path / "to", reverse=tmp_path / "fro")
    assert list(tmp_path.iterdir()) == []
    models.create_patch([OLD], NEW, tmp_path / "to", reverse=tmp_path / "fro")


def test_they_go_to_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("patch")
    for reverse in (tmp_path / "patch", tmp_path / "link", str(tmp_path / "." / "patch")):
        with pytest.raises(InputError, match="name two files"):
            models.create_patch(OLD, NEW, tmp_path / "patch", reverse=reverse)
    memory = io.BytesIO()
    with pytest.raises(InputError, match="name two files"):
        models.create_patch(OLD, NEW, memory, reverse=memory)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


class Stop(BaseException):
    """Something that no code catches."""


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_a_stop_half_way_leaves_both_as_they_were(share: float, tmp_path: Path) -> None:
    for name in ("to", "fro"):
        (tmp_path / name).write_bytes(BEFORE)

    def stop(done: int, total: int) -> None:
        if done > share * total:
            raise Stop

    with pytest.raises(Stop):
        models.create_patch(
            OLD, NEW, tmp_path / "to", reverse=tmp_path / "fro", chunk_size=1024, progress=stop
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "to": BEFORE,
        "fro": BEFORE,
    }


def test_an_output_that_cannot_be_keeps_the_other_away(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "none" / "bad"
    for output, reverse in ((good, bad), (bad, good)):
        with pytest.raises(IoError, match="No such file"):
            models.create_patch(OLD, NEW, output, reverse=reverse)
    with (
        pytest.raises(IoError, match="No space"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        models.create_patch(OLD, NEW, good, reverse=full)
    assert list(tmp_path.iterdir()) == []


def test_of_two_renames_the_reverse_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, fro = tmp_path / "to", tmp_path / "fro"
    renamed: list[str] = []
    synced: list[int] = []
    replace, fsync = Path.replace, os.fsync

    def recorded(self: Path, target: Path) -> Path:
        renamed.append(target.name)
        assert len(synced) >= 2  # both are on the disk by then
        if len(renamed) == fails:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    def counted(handle: int) -> None:
        synced.append(handle)
        fsync(handle)

    monkeypatch.setattr(Path, "replace", recorded)
    monkeypatch.setattr(os, "fsync", counted)
    for fails, left in ((1, set()), (2, {"fro"}), (3, {"fro", "to"})):
        renamed.clear()
        synced.clear()
        for path in tmp_path.iterdir():
            path.unlink()
        if fails < 3:
            with pytest.raises(IoError, match="Input/output error"):
                models.create_patch(OLD, NEW, to, reverse=fro)
        else:
            models.create_patch(OLD, NEW, to, reverse=fro)
        assert renamed == ["fro", "to"][:fails]
        assert {path.name for path in tmp_path.iterdir()} == left


KILLED = """
import os, pathlib, signal, time
from sapwood import models
made = {name: pathlib.Path(name).read_bytes() for name in ("forward", "back")}
out = pathlib.Path("out")
for i in range(20):
    for path in out.iterdir():
        path.unlink()
    child = os.fork()
    if child == 0:
        models.create_patch("base", "target", "out/to", reverse="out/fro", threads=1)
        os._exit(0)
    time.sleep(0.002 * i)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    names = {path.name for path in out.iterdir() if not path.name.endswith(".part")}
    assert names in (set(), {"fro"}, {"fro", "to"}), names
    for name, content in (("to", "forward"), ("fro", "back")):
        assert name not in names or (out / name).read_bytes() == made[content]
print("done")
"""


def test_a_kill_leaves_whole_patches_and_never_one_without_its_reverse(tmp_path: Path) -> None:
    for name, data in {
        "base": OLD,
        "target": NEW,
        "forward": made(OLD, NEW),
        "back": made(NEW, OLD),
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "out").mkdir()
    assert run_child(KILLED, folder=tmp_path) == "done\n"


@pytest.mark.parametrize("kind", ["safetensors", "npy", "bin"])
def test_the_command_makes_both(kind: str, tmp_path: Path) -> None:
    write_pairs(tmp_path)
    session = Session(tmp_path)
    told = session.json(f"create --base a.{kind} --target b.{kind} --out to --reverse fro")
    assert told["reverse_size"] == len(session.bytes("fro"))
    session.succeed(f"apply --base a.{kind} --patch to --out b2 --quiet")
    session.succeed("apply --base b2 --patch fro --out a2 --quiet")
    assert session.bytes("a2") == session.bytes(f"a.{kind}")
    session.succeed(f"create --base b.{kind} --target a.{kind} --out alone --quiet")
    assert session.bytes("fro") == session.bytes("alone")
    command = f"create --base a.{kind} --target b.{kind} --out"
    assert "name two files" in session.fail(f"{command} c --reverse c", 2)
    assert "would replace" in session.fail(f"{command} c --reverse a.{kind}", 2)
    session.fail(f"{command} c --reverse none/c", 7)
    several = f"create --base a.{kind} --base b.{kind} --target b.{kind} --out c --reverse d"
    assert "2 bases at once" in session.fail(several, 2)


def test_a_reverse_of_other_weights_is_as_small() -> None:
    old = safetensors_file({"w": weights(5, (64, 64))})
    new = safetensors_file({"w": weights(5, (64, 64)), "extra": weights(6, (64, 64))})
    patch, reverse = both(old, new)
    assert len(reverse) < len(patch)  # nothing new to say
