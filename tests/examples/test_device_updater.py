"""The updater of `examples/device`, over a real HTTP server, as a device would run it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sapwood import models
from support.in_place_pairs import NEW, OLD
from support.model_files import patched, safetensors_file, tuned
from support.places import EXAMPLES

UPDATER = EXAMPLES / "device" / "updater.py"
VERSIONS = [
    safetensors_file(OLD),
    safetensors_file(NEW),
    safetensors_file({name: tuned(array, 5) for name, array in NEW.items()}),
]
PATCHES = [patched(a, b)[0] for a, b in itertools.pairwise(VERSIONS)]
SERVER = """
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.HTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
# A command that refuses the models whose SHA-256 are in a file.
CHECK = """
import hashlib, pathlib, sys
bad = pathlib.Path(sys.argv[1]).read_text().split()
sys.exit(hashlib.sha256(pathlib.Path(sys.argv[2]).read_bytes()).hexdigest() in bad)
"""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Done(NamedTuple):
    """What a run came to."""

    returncode: int
    stdout: str
    stderr: str


class Field:
    """A feed, and a device that follows it."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.folder = folder
        self.feed = folder / "feed"
        self.feed.mkdir()
        (folder / "check.py").write_text(CHECK)
        (folder / "bad").write_text("")
        self.words: list[object] = ["--state", folder / "state", "--feed", self.feed]
        if mode == "slots":
            (folder / "model").write_bytes(VERSIONS[0])
            self.words += ["--slots", folder / "slots"]
            assert self.run("--install", folder / "model").returncode == 0
            self.model = folder / "slots" / "current" / "model"
        else:
            self.model = folder / "model"
            self.model.write_bytes(VERSIONS[0])
            self.words += ["--in-place", self.model]

    def publish(self, version: int, patch: bytes | None = None) -> None:
        """Puts the patch from a version to the next into the feed."""
        name = f"{digest(VERSIONS[version])}.ttp"
        (self.feed / name).write_bytes(PATCHES[version] if patch is None else patch)

    def command(self, option: str) -> list[object]:
        script, bad = self.folder / "check.py", self.folder / "bad"
        return [option, f"{sys.executable} {script} {bad}"]

    def run(self, *more: object) -> Done:
        """Runs the updater in this process, which spares the start of Python."""
        words = list(map(str, [*self.words, *more]))
        outputs = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(outputs[0]), contextlib.redirect_stderr(outputs[1]):
            code = importlib.import_module("updater").main(words)
        return Done(code, outputs[0].getvalue(), outputs[1].getvalue())

    def spawn(self, *more: object) -> subprocess.CompletedProcess[str]:
        """Runs it as a device would."""
        return subprocess.run(
            [sys.executable, UPDATER, *map(str, [*self.words, *more])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def version(self) -> int:
        """Which version is in use."""
        return VERSIONS.index(self.model.read_bytes())


@pytest.fixture(params=["slots", "in place"])
def field(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Field:
    monkeypatch.syspath_prepend(UPDATER.parent)
    return Field(tmp_path, request.param)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_versions_are_taken_one_after_another_by_http(field: Field) -> None:
    field.publish(0)
    field.publish(1)
    with served(field.feed) as url:
        done = field.spawn("--feed", url, *field.command("--check"), *field.command("--restart"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("updated") == 2
        assert field.version() == 2
        assert field.run("--feed", url).stdout == ""
    lost = field.run("--feed", url)
    assert lost.returncode == 7
    assert "refused" in lost.stderr
    assert field.version() == 2


@pytest.mark.parametrize("command", ["--check", "--restart"])
def test_a_version_that_does_not_pass_is_gone_back_from_and_not_tried_again(
    field: Field, command: str
) -> None:
    field.publish(0)
    field.publish(1)
    (field.folder / "bad").write_text(digest(VERSIONS[2]))
    done = field.run(*field.command(command))
    assert (done.returncode, done.stderr) == (0, "")
    assert "did not pass" in done.stdout
    assert field.version() == 1
    assert field.run(*field.command(command)).stdout == ""
    assert field.version() == 1


def test_damaged_patches_change_nothing(field: Field) -> None:
    field.publish(0, PATCHES[0][:-1])
    done = field.run()
    assert (done.returncode, done.stdout) == (3, "")
    assert field.version() == 0
    assert field.run("--most-bytes", 10).returncode == 7
    field.publish(0)
    assert field.run().returncode == 0
    assert field.version() == 1


def test_only_what_was_signed_is_taken_and_nothing_older(field: Field) -> None:
    public, private = models.generate_keypair()
    key = field.folder / "key.pub"
    key.write_bytes(public)
    trust = ["--public-key", key]
    field.publish(0)
    assert field.run(*trust).returncode == 8
    assert field.version() == 0
    for version, counter, code in ((0, 7, 0), (1, 6, 8), (1, 8, 0)):
        plain, signed = field.folder / "plain", field.folder / "signed"
        plain.write_bytes(PATCHES[version])
        models.sign_patch(plain, private, signed, counter=counter)
        field.publish(version, signed.read_bytes())
        assert field.run(*trust).returncode == code
    assert field.version() == 2


def test_an_update_that_was_interrupted_is_gone_on_with(field: Field) -> None:
    """The power fails while the new version starts: `--restart` kills its parent."""
    field.publish(0)
    done = field.spawn("--restart", "sh -c 'kill -9 $PPID' --")
    assert done.returncode == -9
    assert field.version() == 1
    (field.folder / "bad").write_text(digest(VERSIONS[1]))
    again = field.run(*field.command("--restart"), *field.command("--check"))
    assert (again.returncode, again.stderr) == (0, "")
    assert field.version() == 0


class Stop(BaseException):
    """A kill in the middle of an update."""


@pytest.mark.parametrize("left", [None, PATCHES[0][:-1]])
def test_half_a_model_is_gone_back_from_where_its_patch_is_lost(
    left: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may lose the patch's name, a card its bytes, and the journal has all else."""
    monkeypatch.syspath_prepend(UPDATER.parent)
    field = Field(tmp_path, "in place")

    def stop(done: int, total: int) -> None:
        raise Stop

    out = io.BytesIO()
    models.create_patch(VERSIONS[0], VERSIONS[1], out, chunk_size=1024)
    with pytest.raises(Stop):
        models.in_place.apply(
            field.model,
            out.getvalue(),
            keep_undo=True,
            step=2048,
            receiving=models.Receiving(progress=stop),
        )
    assert field.model.read_bytes() not in VERSIONS
    if left is not None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "patch.ttp").write_bytes(left)
        assert field.run().returncode == 3
        assert field.version() == 0
    field.publish(0)
    assert field.run().returncode == 0
    assert field.version() == 1
