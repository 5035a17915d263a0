"""Whatever goes wrong, an output is the old file or the whole new one, and nothing is left over."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from sapwood import models
from sapwood.errors import (
    InvalidPatch,
    IoError,
    LimitExceeded,
    SapwoodError,
    SourceHashMismatch,
    TargetHashMismatch,
    TruncatedPatch,
)
from sapwood.limits import Limits
from support.child_processes import run_child
from support.model_files import patched, safetensors_file, tuned
from support.wrong_digests import (
    BASE,
    FRONT,
    OLD,
    PATCH,
    TARGET,
    with_wrong_last_chunk,
    with_wrong_target,
)

BEFORE = b"what was there before"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


FAILURES: dict[str, tuple[bytes, bytes, type[SapwoodError]]] = {
    "wrong base": (flipped(BASE, len(BASE) // 2), PATCH, SourceHashMismatch),
    "short base": (BASE[:-1], PATCH, SourceHashMismatch),
    "damaged front": (BASE, flipped(PATCH, 200), InvalidPatch),
    "damaged body": (BASE, flipped(PATCH, len(PATCH) - 1), InvalidPatch),
    "cut off": (BASE, PATCH[:-1], TruncatedPatch),
    "something after it": (BASE, PATCH + b"x", InvalidPatch),
    "no patch": (BASE, TARGET, InvalidPatch),
    "empty": (BASE, b"", InvalidPatch),
    "wrong target": (BASE, with_wrong_target(), TargetHashMismatch),
    "wrong last chunk": (BASE, with_wrong_last_chunk(), TargetHashMismatch),
}


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_apply_changes_nothing(failure: str, existing: bool, tmp_path: Path) -> None:
    base, patch, error = FAILURES[failure]
    output = tmp_path / "model"
    if existing:
        output.write_bytes(BEFORE)
    with pytest.raises(error):
        models.apply_patch(base, patch, output)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BEFORE] * existing
    memory = io.BytesIO()
    with pytest.raises(error):
        models.apply_patch(base, patch, memory)
    assert memory.getvalue() == b""


def test_too_small_a_limit_changes_nothing(tmp_path: Path) -> None:
    for limits in (Limits(chunk=1024), Limits(front=100)):
        with pytest.raises(LimitExceeded):
            models.apply_patch(
                BASE, PATCH, tmp_path / "model", receiving=models.Receiving(limits=limits)
            )
    assert list(tmp_path.iterdir()) == []


class Stop(BaseException):
    """Something that no code catches, as an interrupt by the user."""


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, OSError, MemoryError])
@pytest.mark.parametrize("threads", [1, 2])
def test_stopping_half_way_changes_nothing(
    error: type[BaseException], threads: int, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    output.write_bytes(BEFORE)
    seen: list[list[str]] = []

    def stop(done: int, total: int) -> None:
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        if done > total // 2:
            raise error("half way")

    expected = IoError if error is OSError else error
    calls: tuple[Callable[[], object], ...] = (
        lambda: models.create_patch(
            BASE, TARGET, output, chunk_size=4096, threads=threads, progress=stop
        ),
        lambda: models.apply_patch(
            BASE, PATCH, output, receiving=models.Receiving(threads=threads, progress=stop)
        ),
    )
    for call in calls:
        with pytest.raises(expected):
            call()
        assert len(seen[-1]) == 2  # the unfinished file was there
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [BEFORE]


FULL_DISK = """
import pathlib, resource, sys
from sapwood import models
from sapwood.errors import IoError
base, target, patch = (pathlib.Path(name).read_bytes() for name in sys.argv[1:4])
output = pathlib.Path("out/output")
def make(): models.create_patch(base, target, output, chunk_size=16384)
def apply(): models.apply_patch(base, patch, output)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for call, size in ((make, len(patch)), (apply, len(target))):
    limits = {10, 500, 5000, size // 2, size - 4096, size - 100, size - 1, size - int(sys.argv[4])}
    for limit in sorted(limits | {size}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            call()
        except IoError as e:
            print(limit < size, "File too large" in str(e), len(list(output.parent.iterdir())))
        else:
            print(limit == size, output.stat().st_size == size, 0)
            output.unlink()
"""


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """Files may not grow beyond a limit, at which a write takes only a part of what it is given."""
    for name, data in (("base", BASE), ("target", TARGET), ("patch", PATCH)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "out").mkdir()
    printed = run_child(FULL_DISK, "base", "target", "patch", FRONT.size, folder=tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert set(printed.splitlines()) == {"True True 0"}
    assert len(printed.splitlines()) >= 2 * 8


def test_a_full_device_is_told() -> None:
    with Path("/dev/full").open("wb", buffering=0) as device:
        with pytest.raises(IoError, match=r"/dev/full.*No space left"):
            models.create_patch(BASE, TARGET, device)
        with pytest.raises(IoError, match=r"/dev/full.*No space left"):
            models.apply_patch(BASE, PATCH, device)


NO_PERMISSION = """
import os, pathlib, sys
from sapwood import models
from sapwood.errors import IoError
base, target, patch = (pathlib.Path(name).read_bytes() for name in ("base", "target", "patch"))
models.create_patch, models.apply_patch, models.patch_info  # imported while that is allowed
if os.geteuid() == 0:
    os.seteuid(65534)
for output in ("locked/new", "locked/old"):
    for call in (
        lambda: models.create_patch(base, target, output),
        lambda: models.apply_patch(base, patch, output),
    ):
        try:
            call()
        except IoError as e:
            print(e)
for call in (
    lambda: models.apply_patch("secret", patch, "made"), lambda: models.patch_info("secret")
):
    try:
        call()
    except IoError as e:
        print(e)
"""


def test_a_folder_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, data in (("base", BASE), ("target", TARGET), ("patch", PATCH), ("secret", BASE)):
            (folder / file).write_bytes(data)
        (folder / "secret").chmod(0)
        (folder / "locked").mkdir()
        (folder / "locked" / "old").write_bytes(BEFORE)
        (folder / "locked").chmod(0o555)
        printed = run_child(NO_PERMISSION, folder=folder)
        (folder / "locked").chmod(0o755)
        assert [path.name for path in (folder / "locked").iterdir()] == ["old"]
        assert (folder / "locked" / "old").read_bytes() == BEFORE
        lines = [f"locked/{file}: Permission denied" for file in ("new", "new", "old", "old")]
        assert printed.splitlines() == [*lines, *["secret: Permission denied"] * 2]


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BEFORE)
    (tmp_path / "loop").symlink_to("loop")
    for place, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "missing" / "patch", "No such file"),
        (tmp_path / "file" / "patch", "Not a directory"),
        (tmp_path / "loop", "symbolic links"),
        (tmp_path / ("x" * 300), "name too long"),
        ("", "is a directory"),
    ):
        with pytest.raises(IoError, match=words):
            models.create_patch(BASE, TARGET, place)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "loop"}
    for missing in (tmp_path / "missing", tmp_path / "file" / "x"):
        with pytest.raises(IoError, match=str(missing)):
            models.apply_patch(missing, PATCH, tmp_path / "made")
    models.create_patch(BASE, TARGET, tmp_path / ("x" * 255))  # as long as a name may be


KILLED = """
import os, pathlib, random, signal, sys, time
from sapwood import models
contents = {name: pathlib.Path(name).read_bytes() for name in ("base", "target", "to", "fro")}
def work():
    while True:
        models.create_patch("base", "target", "out/patch", chunk_size=16384, threads=1)
        models.apply_patch("base", "to", "out/made", receiving=models.Receiving(threads=1))
        models.create_patch("target", "base", "out/patch", chunk_size=16384, threads=1)
        models.apply_patch("target", "fro", "out/made", receiving=models.Receiving(threads=1))
chance = random.Random(1)
found = set()
for _ in range(30):
    child = os.fork()
    if child == 0:
        work()
    while not pathlib.Path("out/made").exists():
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for path in pathlib.Path("out").iterdir():
        if path.name.endswith(".part"):
            path.unlink()
            continue
        same = [name for name, content in contents.items() if content == path.read_bytes()]
        found.add(" ".join([path.name, *same]))
print("\\n".join(found))
"""


def test_a_kill_at_any_moment_leaves_no_partial_file(tmp_path: Path) -> None:
    back, _ = patched(TARGET, BASE, chunk_size=16384)
    for name, data in (("base", BASE), ("target", TARGET), ("to", PATCH), ("fro", back)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "out").mkdir()
    printed = run_child(KILLED, folder=tmp_path)
    allowed = {"made base", "made target", "patch fro", "patch to"}
    assert {line.split()[0] for line in printed.splitlines()} == {"made", "patch"}
    assert set(printed.splitlines()) <= allowed


def test_many_at_once_to_the_same_output(tmp_path: Path) -> None:
    other = safetensors_file({name: tuned(array, 99) for name, array in OLD.items()})
    jobs = [(PATCH, TARGET), (patched(BASE, other)[0], other)] * 6
    output = tmp_path / "model"
    output.write_bytes(BEFORE)
    allowed = {BEFORE, TARGET, other}
    stop = threading.Event()

    def watch() -> int:
        seen = 0
        while not stop.is_set():
            assert output.read_bytes() in allowed
            seen += 1
        return seen

    with ThreadPoolExecutor(5) as pool:
        watching = pool.submit(watch)
        for _ in pool.map(lambda job: models.apply_patch(BASE, job[0], output), jobs):
            pass
        stop.set()
        assert watching.result() > 0
    assert output.read_bytes() in {TARGET, other}
    assert list(tmp_path.iterdir()) == [output]


def test_updating_a_file_in_place(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(BASE)
    assert models.apply_patch(model, PATCH, model).is_valid()
    assert model.read_bytes() == TARGET
    with pytest.raises(SourceHashMismatch):
        models.apply_patch(model, PATCH, model)
    assert model.read_bytes() == TARGET
    patch = tmp_path / "patch"
    patch.write_bytes(PATCH)
    models.apply_patch(BASE, patch, patch)  # of no use, and still right
    assert patch.read_bytes() == TARGET


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    output = tmp_path / "model"
    output.write_bytes(BEFORE)
    output.chmod(mode)
    seen: list[int] = []

    def look(done: int, total: int) -> None:
        seen.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob(".*.part"))

    models.apply_patch(BASE, PATCH, output, receiving=models.Receiving(progress=look))
    assert stat.S_IMODE(output.stat().st_mode) == mode
    assert set(seen) == {0o600}  # what is private is so at every instant


def test_a_symbolic_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    blob = tmp_path / "store" / "blob"
    blob.write_bytes(BEFORE)
    latest = tmp_path / "latest"
    latest.symlink_to("store/blob")
    second = tmp_path / "second"
    second.symlink_to(latest)
    models.apply_patch(BASE, PATCH, second)
    assert latest.readlink() == Path("store/blob")
    assert second.is_symlink()
    assert blob.read_bytes() == TARGET
    blob.unlink()
    models.create_patch(BASE, TARGET, latest, chunk_size=16384)  # leads nowhere until now
    assert blob.read_bytes() == PATCH
    assert {path.name for path in tmp_path.rglob("*")} == {"store", "blob", "latest", "second"}


def test_a_named_pipe_gets_the_output_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    models.create_patch(BASE, TARGET, pipe, chunk_size=16384)
    assert os.read(reading, 1 << 20) == PATCH  # smaller than what a pipe holds
    os.close(reading)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_an_output_that_refuses_is_told_and_the_input_kept(tmp_path: Path) -> None:
    class Refusing(io.RawIOBase):
        name = "the far end"

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> NoReturn:
            raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(IoError, match=r"the far end.*Connection reset"):
        models.apply_patch(BASE, PATCH, Refusing())  # type: ignore[arg-type]  # a binary file


def test_a_pipe_that_has_nothing_yet_is_not_taken_for_its_end() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, PATCH[:100])
    with os.fdopen(reading, "rb", buffering=0) as file, pytest.raises(IoError, match="nothing"):
        models.patch_info(file)
    os.close(writing)


def test_memory_of_the_caller_is_only_read() -> None:
    base = np.frombuffer(BASE, np.uint8).copy()
    base.flags.writeable = False
    out = io.BytesIO()
    models.create_patch(base.data, memoryview(bytearray(TARGET)), out)
    made = io.BytesIO()
    models.apply_patch(base.data, bytearray(out.getvalue()), made)
    assert made.getvalue() == TARGET
    assert base.tobytes() == BASE


@pytest.mark.parametrize("changed", ["base", "target"])
def test_an_input_that_changes_meanwhile_is_noticed(tmp_path: Path, changed: str) -> None:
    (tmp_path / "base").write_bytes(BASE)
    (tmp_path / "target").write_bytes(TARGET)

    def change(done: int, total: int) -> None:
        path = tmp_path / changed
        last = path.read_bytes()[-1]
        # In place: to cut a file off that is mapped ends whoever reads it by SIGBUS.
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        os.utime(path, ns=(1, 1))  # whatever the clock's grain is

    with pytest.raises(IoError, match="changed while it was read"):
        models.create_patch(
            tmp_path / "base", tmp_path / "target", tmp_path / "out", threads=1, progress=change
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "target"]


def test_a_base_that_changes_while_a_patch_is_applied_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "base"
    path.write_bytes(BASE)
    models.create_patch(BASE, TARGET, tmp_path / "patch", chunk_size=1 << 10)

    def change(done: int, total: int) -> None:
        # In place, as above. The digest of the base was right before the first chunk.
        with path.open("r+b") as file:
            file.write(bytes(len(BASE)))

    with pytest.raises((InvalidPatch, TargetHashMismatch)):
        models.apply_patch(
            path,
            tmp_path / "patch",
            tmp_path / "out",
            receiving=models.Receiving(threads=1, progress=change),
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "patch"]
