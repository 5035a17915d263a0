"""Sessions of `create`, `apply` and `verify` with --keep-going: many files, some of which fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sapwood import trust
from support.cli_session import PROGRAM, Session, write_long_pair, write_pairs

KINDS = ["bin", "npy", "safetensors"]
NAMES = [*(f"layers/m.{kind}" for kind in KINDS), *(f"n.{kind}" for kind in KINDS)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Folders `v1` and `v2`: a pair of each kind, twice, and a file that only one of them has."""
    write_pairs(tmp_path)
    for name in NAMES:
        for letter, version in {"a": "v1", "b": "v2"}.items():
            path = tmp_path / version / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((tmp_path / f"{letter}.{name.partition('.')[2]}").read_bytes())
    (tmp_path / "v1" / "gone").write_bytes(b"gone")
    (tmp_path / "v2" / "new").write_bytes(b"new")
    return Session(tmp_path)


CREATE = "create --base v1 --target v2 --out patches --keep-going"
APPLY = "apply --base v1 --patch patches --out restored --keep-going"
VERIFY = "verify --base v1 --patch patches --keep-going"


def files(session: Session, folder: str) -> list[str]:
    """The files of a folder by their paths in it, hidden ones too."""
    top = session / folder
    return sorted(one.relative_to(top).as_posix() for one in top.rglob("*") if one.is_file())


def test_folders_come_back(session: Session) -> None:
    printed = session.succeed(CREATE).decode().splitlines()
    assert files(session, "patches") == sorted(f"{name}.ttp" for name in NAMES)
    assert printed[-1].startswith("6 made, 2 skipped: ")
    assert printed[-3].split() == ["new", "skipped:", "no", "base"]
    assert printed[-2].split() == ["gone", "skipped:", "no", "target"]
    assert session.succeed(VERIFY).decode().splitlines()[-1].startswith("6 fine, in ")
    assert session.succeed(APPLY).decode().splitlines()[-1].startswith("6 restored: ")
    assert files(session, "restored") == NAMES
    for name in NAMES:
        assert session.bytes(f"restored/{name}") == session.bytes(f"v2/{name}")


@pytest.mark.parametrize("options", ["", "--jobs 1", "--jobs 3 --threads 5", "--threads 1"])
def test_each_patch_is_the_one_that_its_command_makes(session: Session, options: str) -> None:
    session.succeed(f"{CREATE} --level 7 --metadata run=3 --quiet {options}")
    for name in NAMES:
        command = f"create --base v1/{name} --target v2/{name} --level 7 --metadata run=3"
        session.succeed(f"{command} --out alone.ttp --quiet")
        assert session.bytes(f"patches/{name}.ttp") == session.bytes("alone.ttp")


def test_json_has_what_each_command_tells(session: Session) -> None:
    told = session.json(f"{CREATE} --jobs 2 --threads 4")
    assert [one["file"] for one in told["files"]] == NAMES
    assert (told["done"], told["failed"], told["jobs"], told["threads"]) == (6, 0, 2, 4)
    assert told["skipped"] == [
        {"file": "new", "reason": "no base"},
        {"file": "gone", "reason": "no target"},
    ]
    for one in told["files"]:
        assert (one["base"], one["target"]) == (f"v1/{one['file']}", f"v2/{one['file']}")
        assert one["patch_size"] == len(session.bytes(f"{one['out']}"))
    assert {one["kind"] for one in told["files"]} == {"model"}
    told = session.json(VERIFY)
    assert all(one["valid"] for one in told["files"])
    assert "error" not in told


def test_what_fails_does_not_end_the_rest(session: Session) -> None:
    session.succeed(f"{CREATE} --quiet")
    (session / "v1/n.bin").write_bytes(b"another")
    (session / "patches/layers/m.npy.ttp").write_bytes(b"damaged")
    done = session.run(APPLY)
    assert done.returncode == 9
    table = done.stdout.decode()
    assert "failed: SourceHashMismatch" in table
    assert table.splitlines()[-1].startswith("4 restored, 2 failed: ")
    first, second, last = done.stderr.decode().splitlines()
    assert first.startswith("sapwood: error: patches/layers/m.npy.ttp: ")
    assert second.startswith("sapwood: error: v1/n.bin: wrong base: expected ")
    assert last == "sapwood: error: 2 of 6 files failed; the others are done"
    good = [name for name in NAMES if name not in {"n.bin", "layers/m.npy"}]
    assert files(session, "restored") == good
    told = session.json(VERIFY, 9)
    assert told["error"]["kind"] == "BatchFailed"
    assert (told["done"], told["failed"]) == (4, 2)
    failures = {one["file"]: one["error"]["exit_code"] for one in told["files"] if "error" in one}
    assert failures == {"layers/m.npy": 3, "n.bin": 4}
    quiet = session.run(f"{VERIFY} --quiet")
    assert (quiet.returncode, quiet.stdout) == (9, b"")
    assert len(quiet.stderr.splitlines()) == 3


def test_a_file_that_cannot_be_written_is_a_failure_of_its_own(session: Session) -> None:
    (session / "patches/n.bin.ttp").mkdir(parents=True)
    done = session.run(CREATE)
    assert done.returncode == 9
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("sapwood: error: patches/n.bin.ttp: ")
    assert last.endswith("1 of 6 files failed; the others are done")
    assert len(files(session, "patches")) == 5


def test_where_everything_fails_no_folder_is_left(session: Session) -> None:
    session.succeed(f"{CREATE} --quiet")
    for name in NAMES:
        (session / "v1" / name).write_bytes(b"another")
    assert session.run(APPLY).returncode == 9
    assert not (session / "restored").exists()


def test_folders_with_nothing_in_common_are_refused(session: Session) -> None:
    (session / "empty").mkdir()
    for command in (
        "create --base v1 --target empty --out p --keep-going",
        "create --base empty --target v2 --out p --keep-going",
        "apply --base v1 --patch v2 --out r --keep-going",
    ):
        assert "has its like in" in session.fail(command, 2)


def test_what_is_no_folder_is_refused(session: Session) -> None:
    assert "expected a folder" in session.fail(CREATE.replace("v1", "a.bin"), 2)
    session.fail(CREATE.replace("v1", "missing"), 7)
    assert "and no pipes" in session.fail(CREATE.replace("v1", "-"), 2)
    assert "one folder" in session.fail(f"{CREATE} --base v2", 2)
    assert "a.bin" in session.fail(CREATE.replace("patches", "a.bin"), 7)
    assert "add --keep-going" in session.fail(
        "create --base a.bin --target b.bin --out p --jobs 2", 2
    )
    session.succeed(f"{CREATE} --quiet")
    assert "is of one patch" in session.fail(f"{VERIFY} --signature a.bin", 2)
    in_place = "apply --patch patches --in-place a.bin --keep-going"
    assert "--in-place is of one file" in session.fail(in_place, 2)
    assert "one folder" in session.fail("apply --patch patches --out o --keep-going", 2)


def test_patches_are_signed_and_checked(session: Session) -> None:
    session.succeed("keygen --out release --quiet")
    session.succeed("keygen --out other --quiet")
    session.succeed(f"{CREATE} --private-key release.key --counter 4 --quiet")
    told = session.json(f"{VERIFY} --public-key release.pub --minimum-counter 4")
    assert {one["counter"] for one in told["files"]} == {4}
    told = session.json(f"{APPLY} --public-key other.pub", 9)
    assert {one["error"]["kind"] for one in told["files"]} == {"SignatureError"}
    assert not (session / "restored").exists()
    key = trust.key_id(session.bytes("release.pub")).hex()
    assert all(key in one["error"]["message"] for one in told["files"])


def test_a_folder_is_updated_in_its_place(session: Session) -> None:
    session.succeed(f"{CREATE} --quiet")
    session.succeed(f"{APPLY.replace('restored', 'v1')} --quiet")
    for name in NAMES:
        assert session.bytes(f"v1/{name}") == session.bytes(f"v2/{name}")
    assert session.bytes("v1/gone") == b"gone"


def test_notes_are_told_once(session: Session) -> None:
    session.succeed("keygen --out release --quiet")
    (session / "release.key").chmod(0o644)
    (session / "v1/n.npy").write_bytes(session.bytes("v1/n.npy").replace(b"<f4", b"<i4"))
    done = session.run(f"{CREATE} --private-key release.key")
    assert done.returncode == 0
    first, second = sorted(done.stderr.decode().splitlines())
    assert first.startswith("sapwood: note: n.npy: the dtypes differ, '<i4' and '<f4'; ")
    assert second.startswith("sapwood: note: release.key: others can read it")


def test_names_do_not_steer_the_terminal(session: Session) -> None:
    name = "evil\x1b[31m\n"
    for version in ("v1", "v2"):
        (session / version / name).write_bytes(version.encode())
    printed = session.succeed(CREATE).decode()
    assert "\x1b" not in printed
    assert "evil\\x1b[31m\\n" in printed
    (session / "v1" / name).write_bytes(b"another")
    assert "\x1b" not in session.run(APPLY).stderr.decode()


def test_links_to_files_are_followed_and_those_to_folders_are_not(session: Session) -> None:
    (session / "v1/linked").symlink_to(session / "a.bin")
    (session / "v2/linked").symlink_to(session / "b.bin")
    (session / "v1/circle").symlink_to(session / "v1")
    (session / "v2/circle").symlink_to(session / "v2")
    (session / "v1/nowhere").symlink_to("missing")
    os.mkfifo(session / "v2/pipe")
    session.succeed(f"{CREATE} --quiet")
    assert set(files(session, "patches")) == {f"{name}.ttp" for name in [*NAMES, "linked"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_and_leaves_what_is_done(tmp_path: Path, number: int) -> None:
    session = Session(tmp_path)
    write_long_pair(tmp_path)
    for version, letter in {"v1": "a", "v2": "b"}.items():
        (session / version).mkdir()
        for i in range(3):
            os.link(session / f"{letter}.npy", session / version / f"{i}.npy")
        (session / version / "small").write_bytes(version.encode())
    command = f"{CREATE} --chunk-size 1024 --threads 2 --jobs 2 --json"
    with subprocess.Popen(
        [*PROGRAM, *command.split()], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        while len(list((session / "patches").glob(".*.part"))) < 2:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stderr) == (128 + number, b"")
    assert json.loads(stdout)["error"]["kind"] == "Interrupted"
    assert [one for one in files(session, "patches") if one.endswith(".part")] == []
    assert not (session / "patches").exists() or files(session, "patches")
