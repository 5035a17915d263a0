"""An apply that was cut short goes on: after a kill anywhere, and whatever became of its file."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood import models
from sapwood.errors import InputError, IoError, SapwoodError, SourceHashMismatch, TargetHashMismatch
from sapwood.files.kept import beside
from sapwood.patch.format.parsing import parse_front
from support.cli_session import Session
from support.model_files import patched, safetensors_file, tuned, weights
from support.wrong_digests import BASE as OTHER_BASE
from support.wrong_digests import with_wrong_last_chunk, with_wrong_target

OLD = {f"layers.{i}": weights(i, (64, 512)) for i in range(8)}
BASE = safetensors_file(OLD)
TARGET = safetensors_file({name: tuned(array, 1) for name, array in OLD.items()})
PATCH, _ = patched(BASE, TARGET, chunk_size=16384)
FRONT = parse_front(PATCH)
CHUNKS = [
    segment.target_offset + end for segment in FRONT.segments for _, _, end in segment.spans()
]  # where they end in the target
CHUNK = 16384

# Kills itself when so many bytes are done, having written so many through to the file.
KILLED = """
import os, signal, sys
from sapwood import models
def stop(done, total):
    if done >= int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
receiving = models.Receiving(threads=1, progress=stop)
models.apply_patch("base", "patch", "out", resume=True, receiving=receiving)
"""


def part(folder: Path) -> Path:
    """The file that is kept."""
    return beside(folder / "out", FRONT.digest, "part")


class Steps:
    """Counts the chunks that are decoded."""

    def __init__(self, stop: int | None = None, error: BaseException | None = None) -> None:
        self.count = 0
        self.first: int | None = None
        self.stop, self.error = stop, error

    def __call__(self, done: int, total: int) -> None:
        assert total == len(TARGET)
        self.count += 1
        self.first = done if self.first is None else self.first
        if self.stop == self.count and self.error is not None:
            raise self.error


def resumed(folder: Path) -> Steps:
    """Applies once more, with the right result, and nothing left over."""
    steps = Steps()
    models.apply_patch(
        BASE, PATCH, folder / "out", resume=True, receiving=models.Receiving(progress=steps)
    )
    assert (folder / "out").read_bytes() == TARGET
    assert not part(folder).exists()
    return steps


@pytest.mark.parametrize("at", [1, len(TARGET) // 3, len(TARGET) - 40000])
def test_after_a_kill_only_the_rest_is_decoded(at: int, tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(BASE)
    (tmp_path / "patch").write_bytes(PATCH)
    for times in (1, 2):  # the second try is killed too, a little later
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(at + times * CHUNK)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            timeout=60,
        )
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "out").exists()
    kept = part(tmp_path).read_bytes()
    assert TARGET.startswith(kept)
    finished = sum(end <= len(kept) for end in CHUNKS)
    assert finished >= at // CHUNK
    assert resumed(tmp_path).count == len(CHUNKS) - finished
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out", "patch"]


TAMPERED: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "nothing": (lambda _: b"", 0),
    "half a chunk": (lambda data: data[: CHUNKS[3] + 100], 4),
    "a flipped bit": (lambda data: data[:60000] + bytes([data[60000] ^ 1]) + data[60001:], 4),
    "zeros after a power cut": (lambda data: data[: CHUNKS[5]] + bytes(300000), 6),
    "another file": (lambda data: BASE, 1),
    "longer than the target": (lambda data: data + b"more", len(CHUNKS)),
    "the whole target": (lambda data: data, len(CHUNKS)),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_there_is_believed_as_far_as_its_digests(case: str, tmp_path: Path) -> None:
    change, good = TAMPERED[case]
    left = change(TARGET)
    part(tmp_path).write_bytes(left)
    steps = resumed(tmp_path)
    expected = sum(left[:end] == TARGET[:end] for end in CHUNKS)
    assert steps.count == len(CHUNKS) - expected
    assert expected == good or case == "another file"


class Stop(BaseException):
    """An interrupt."""


@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt(), OSError(28, "No space left")])
def test_an_interrupt_and_a_full_disk_keep_what_is_done(
    error: BaseException, tmp_path: Path
) -> None:
    expected = IoError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        models.apply_patch(
            BASE,
            PATCH,
            tmp_path / "out",
            resume=True,
            receiving=models.Receiving(threads=2, progress=Steps(9, error)),
        )
    assert list(tmp_path.iterdir()) == [part(tmp_path)]
    steps = resumed(tmp_path)
    assert steps.count < len(CHUNKS)
    assert steps.first is not None
    assert steps.first > CHUNKS[0]


def test_without_resume_nothing_is_kept_or_looked_for(tmp_path: Path) -> None:
    part(tmp_path).write_bytes(TARGET)
    steps = Steps()
    models.apply_patch(BASE, PATCH, tmp_path / "out", receiving=models.Receiving(progress=steps))
    assert steps.count == len(CHUNKS)
    assert part(tmp_path).read_bytes() == TARGET
    with pytest.raises(Stop):
        models.apply_patch(
            BASE, PATCH, tmp_path / "new", receiving=models.Receiving(progress=Steps(9, Stop()))
        )
    assert sorted(tmp_path.iterdir()) == sorted([part(tmp_path), tmp_path / "out"])


FAILURES: dict[str, tuple[bytes, bytes, type[SapwoodError]]] = {
    "wrong base": (TARGET, PATCH, SourceHashMismatch),
    "wrong last chunk": (OTHER_BASE, with_wrong_last_chunk(), TargetHashMismatch),
    "wrong target": (OTHER_BASE, with_wrong_target(), TargetHashMismatch),
    "no patch": (BASE, TARGET, SapwoodError),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_can_never_succeed_leaves_nothing(case: str, tmp_path: Path) -> None:
    base, patch, error = FAILURES[case]
    with pytest.raises(error):
        models.apply_patch(base, patch, tmp_path / "out", resume=True)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(done: int, total: int) -> None:
        inside.set()
        assert leave.wait(20)

    first = threading.Thread(
        target=lambda: models.apply_patch(
            BASE, PATCH, tmp_path / "out", resume=True, receiving=models.Receiving(progress=wait)
        )
    )
    first.start()
    assert inside.wait(20)
    with pytest.raises(IoError, match="another process is at the same work"):
        models.apply_patch(BASE, PATCH, tmp_path / "out", resume=True)
    leave.set()
    first.join()
    assert (tmp_path / "out").read_bytes() == TARGET
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_lock_is_not_taken_on_a_file_that_was_renamed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part(tmp_path).write_bytes(TARGET[: CHUNKS[2]])
    real = fcntl.flock
    calls: list[int] = []

    def late(handle: int, operation: int) -> None:
        if not calls:  # another process has just finished with it
            part(tmp_path).rename(tmp_path / "finished")
        calls.append(handle)
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert resumed(tmp_path).count == len(CHUNKS)
    assert (tmp_path / "finished").read_bytes() == TARGET[: CHUNKS[2]]


def test_links_in_the_place_of_the_part_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep me")
    for link in (part(tmp_path).symlink_to, part(tmp_path).hardlink_to):
        link(precious)
        with pytest.raises(IoError):
            models.apply_patch(BASE, PATCH, tmp_path / "out", resume=True)
        assert precious.read_bytes() == b"keep me"
        part(tmp_path).unlink(missing_ok=True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_the_output_may_be_the_base_and_keeps_its_permissions(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(BASE)
    out.chmod(0o640)
    with pytest.raises(Stop):
        models.apply_patch(
            out, PATCH, out, resume=True, receiving=models.Receiving(progress=Steps(5, Stop()))
        )
    assert part(tmp_path).stat().st_mode & 0o777 == 0o600
    assert out.read_bytes() == BASE
    models.apply_patch(out, PATCH, out, resume=True)
    assert out.read_bytes() == TARGET
    assert out.stat().st_mode & 0o777 == 0o640


def test_only_files_can_be_gone_on_with() -> None:
    for output in (io.BytesIO(), "/dev/null"):
        with pytest.raises(InputError, match="to resume at"):
            models.apply_patch(BASE, PATCH, output, resume=True)


def test_the_command_line_goes_on(tmp_path: Path) -> None:
    here = Session(tmp_path)
    (tmp_path / "a").write_bytes(BASE)
    (tmp_path / "p").write_bytes(PATCH)
    command = "apply --base a --patch p --out out --resume"
    part(tmp_path).write_bytes(TARGET[: CHUNKS[4]] + b"torn")
    here.succeed(command)
    assert here.bytes("out") == TARGET
    assert not part(tmp_path).exists()
    assert "--resume" in here.fail("apply --base a --patch p --out o --resume --tensor x", 2)
