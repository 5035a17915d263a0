"""Commands that fail: one line that names file and remedy, an exit code, and no output."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from sapwood.cli import main
from support.cli_session import PROGRAM, Session, write_long_pair, write_pairs, write_tensor_patch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A folder with pairs, their patches, and files to do wrong with."""
    here = Session(tmp_path_factory.mktemp("made"))
    write_pairs(here.folder)
    for kind in ("npy", "bin"):
        here.succeed(f"create --base a.{kind} --target b.{kind} --out {kind}.patch")
        patch = bytearray(here.bytes(f"{kind}.patch"))
        patch[-1] ^= 1
        (here / f"{kind}.damaged").write_bytes(patch)
    write_tensor_patch(here.folder)
    (here / "cut").write_bytes(patch[:400])
    (here / "same-size.bin").write_bytes(bytes(len(here.bytes("a.bin"))))
    np.save(here / "short.npy", np.zeros(3, np.float32))
    (here / "list.json").write_text("[1]")
    (here / "infinite.json").write_text('{"a": 1e999}')
    (here / "old").write_bytes(b"what was there")
    (here / "folder").mkdir()
    return here


# Command, exit code, and what the line begins and ends with.
FAILURES = [
    ("apply --base b.npy --patch npy.patch --out new", 4,
     "b.npy: wrong base: ", "apply the patch to the base that it was made from"),
    ("apply --base same-size.bin --patch bin.patch --out old", 4,
     "same-size.bin: wrong base: ", "apply the patch to the base that it was made from"),
    ("apply --base a.npy --patch npy.damaged --out old", 3,
     "npy.damaged: damaged body: ", "get the patch anew"),
    ("apply --base a.bin --patch bin.damaged --out new", 3,
     "bin.damaged: damaged body: ", "get the patch anew"),
    ("inspect cut", 3, "cut: cut off: ", "get the patch anew"),
    ("verify --base b.npy --patch npy.patch", 4,
     "b.npy: wrong base: ", "apply the patch to the base that it was made from"),
    ("verify --base same-size.bin --patch bin.patch", 4,
     "same-size.bin: wrong base: ", "apply the patch to the base that it was made from"),
    ("verify --base a.npy --patch npy.damaged", 3,
     "npy.damaged: damaged body: ", "get the patch anew"),
    ("apply --base a.bin --patch tensor.patch --out new", 5,
     "a.bin: expected a .npy file, found ", "an array for sapwood.apply_patch"),
    ("apply --base short.npy --patch tensor.patch --out new", 2,
     "short.npy: wrong base: expected an array of f32 (60, 50), found f32 (3,); ",
     "apply the patch to the base that it was made from"),
    ("apply --base a.bin --patch bin.patch --out new --force", 2,
     "a patch of whole files cannot be forced: ", "that it was made from"),
    ("apply --base a.npy --patch tensor.patch --out new --resume", 2,
     "expected a patch of model files, found one of a tensor; ", "with sapwood.apply_patch"),
    ("apply --base nothing --patch bin.patch --out new", 7, "nothing: ", "; check the path"),
    ("create --base a.bin --target folder --out folder/new", 2, "folder/new: ", "outside"),
    ("create --base a.bin --target b.bin --out no/where", 7, "no/where: ", "; check the path"),
    ("create --base a.npy --target b.npy --out folder", 7, "folder: ", "; name a file"),
    ("apply --base a.npy --patch npy.patch --out /dev/full", 7, "/dev/full", "write elsewhere"),
    ("create --base a.bin --target b.bin --out a.bin", 2,
     "--out a.bin: would replace a.bin; ", "name another file"),
    ("create --base - --target - --out new", 2, "stdin can be one input", "for the other"),
    ("create --base a.bin --target b.bin --out new --metadata-json list.json", 2,
     "list.json: expected named fields, found a list; ", "correct the file"),
    ("create --base a.bin --target b.bin --out new --metadata-json infinite.json", 2,
     "infinite.json: no usable JSON: a number does not fit a double; ", "correct the file"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "code", "beginning", "end"), FAILURES)
def test_a_failed_command_names_file_and_remedy_and_leaves_no_output(
    made: Session, command: str, code: int, beginning: str, end: str
) -> None:
    line = made.fail(command, code)
    assert line.startswith(beginning)
    assert line.endswith(end)


USAGE = [
    "",
    "no-such-command",
    "create --base a --target b",
    "create --base a --target b --out p --level 20",
    "create --base a --target b --out p --level -1",
    "create --base a --target b --out p --chunk-size 1000",
    "create --base a --target b --out p --chunk-size 4XiB",
    "create --base a --target b --out p --threads 0",
    "create --base a --target b --out p --metadata =v",
    "create --base a --target b --out p --metadata k",
    "create --base a --target b --out p --metadata k=1 k=2",
    "create --base a --target b --out p --metadata k=1 --metadata-json f",
    "create --bas a --target b --out p",
    "apply --base a --patch p --out o --level 3",
    "inspect",
    "inspect p --patch q",
]


@pytest.mark.parametrize("command", USAGE)
def test_wrong_usage_is_one_line_and_code_2(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("sapwood: error: ")
    assert main([*command.split(), "--json"]) == 2
    failure = json.loads(capsys.readouterr().out)["error"]
    assert (failure["kind"], failure["exit_code"]) == ("InputError", 2)


def test_json_errors_have_kind_message_and_code(made: Session) -> None:
    command = "apply --base b.npy --patch npy.patch --out new"
    assert made.json(command, 4) == {
        "error": {"kind": "SourceHashMismatch", "message": made.fail(command, 4), "exit_code": 4}
    }
    found = made.json("verify --base b.npy --patch npy.patch", 4)
    assert (found["valid"], found["source_valid"], found["patch_valid"]) == (False, False, True)
    assert found["error"]["kind"] == "SourceHashMismatch"
    found = made.json("verify --base a.bin --patch bin.damaged", 3)
    assert (found["valid"], found["source_valid"], found["patch_valid"]) == (False, True, False)
    assert found["error"]["kind"] == "InvalidPatch"


def test_a_name_that_would_steer_the_terminal_is_escaped(made: Session) -> None:
    name = "\x1b[31mred\nline"
    done = subprocess.run(
        [*PROGRAM, "inspect", name], cwd=made.folder, capture_output=True, check=False
    )
    assert done.returncode == 7
    assert done.stderr.decode().startswith(r"sapwood: error: \x1b[31mred\nline: ")


def test_a_folder_that_takes_no_files_is_refused(made: Session) -> None:
    # /proc refuses the superuser too.
    line = made.fail("apply --base a.bin --patch bin.patch --out /proc/new", 7)
    assert line.startswith("/proc/new: ")


@pytest.mark.parametrize("kind", ["npy", "bin"])
def test_a_file_that_may_not_grow_leaves_the_old_one(made: Session, kind: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    before = made.snapshot()
    done = made.spawn(f"apply --base a.{kind} --patch {kind}.patch --out old", preexec_fn=limit)
    assert done.returncode == 7
    assert done.stderr.startswith(b"sapwood: error: old")
    assert b"; raise the limit (ulimit -f) or write elsewhere\n" in done.stderr
    assert made.snapshot() == before


def test_a_full_device_for_the_report_is_told(made: Session) -> None:
    with Path("/dev/full").open("wb") as full:
        done = made.spawn(
            "inspect bin.patch", capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 7
    assert done.stderr.startswith(b"sapwood: error: <stdout>: ")
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_is_no_error(made: Session) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = made.spawn(
            "inspect bin.patch", capture_output=False, stdout=pipe, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    here = Session(tmp_path)
    options = write_long_pair(here.folder)
    before = here.snapshot()
    command = [*PROGRAM, *f"create {options} --out p".split()]
    # A shell's background jobs, and what they start, ignore ^C unless told otherwise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, cwd=here.folder, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not any(here.folder.glob(".p.*.part")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert printed.decode() == f"sapwood: error: interrupted by signal {number:d}\n"
    assert here.snapshot() == before
