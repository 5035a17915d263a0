"""Runs the command line in a folder of its own.

`run` calls `main` in this process, which spares the start of Python; `spawn` starts
one, for what concerns the process: exit, signals, devices, terminals.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import sapwood
from sapwood.cli import main

PROGRAM = [sys.executable, "-m", "sapwood"]


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: bytes
    stderr: bytes


@contextlib.contextmanager
def streams(stdin: bytes) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Standard streams in memory, text above bytes as in a process."""
    outputs = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        for name, output in zip(("stdout", "stderr"), outputs, strict=True):
            patch.setattr(sys, name, io.TextIOWrapper(output, encoding="utf-8", write_through=True))
        yield outputs
        for name in ("stdin", "stdout", "stderr"):
            getattr(sys, name).detach()


class Session:
    """A folder and the commands that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str, stdin: bytes = b"") -> Done:
        """Runs the words of a command in this process."""
        with contextlib.chdir(self.folder), streams(stdin) as (stdout, stderr):
            code = main(command.split())
        return Done(code, stdout.getvalue(), stderr.getvalue())

    def spawn(
        self, command: str, stdin: bytes = b"", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs the words of a command in a process of its own."""
        return subprocess.run(
            [*PROGRAM, *command.split()],
            cwd=self.folder,
            input=stdin,
            check=False,
            timeout=60,
            **{"capture_output": True, **options},
        )

    def succeed(self, command: str, stdin: bytes = b"") -> bytes:
        """What a command that works prints to stdout; its stderr is empty."""
        done = self.run(command, stdin)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout

    def fail(self, command: str, code: int, stdin: bytes = b"") -> str:
        """The error of a command that fails, which left the folder as it was."""
        before = self.snapshot()
        done = self.run(command, stdin)
        assert (done.returncode, done.stdout) == (code, b""), done.stderr.decode()
        assert self.snapshot() == before
        (line,) = done.stderr.decode().splitlines()
        assert line.startswith("sapwood: error: ")
        return line.removeprefix("sapwood: error: ")

    def json(self, command: str, code: int = 0) -> dict[str, Any]:
        """The one JSON object that a command prints."""
        done = self.run(f"{command} --json")
        assert (done.returncode, done.stderr) == (code, b"")
        value = json.loads(done.stdout)
        assert isinstance(value, dict)
        return value

    def snapshot(self) -> dict[str, bytes | None]:
        """All that the folder holds, hidden files too."""
        return {
            path.name: path.read_bytes() if path.is_file() else None
            for path in self.folder.iterdir()
        }

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def bytes(self, name: str) -> bytes:
        """The content of a file."""
        return (self / name).read_bytes()


def write_pairs(folder: Path) -> None:
    """A base and a target of each kind of file: `a.KIND` and `b.KIND`."""
    random = np.random.default_rng(7)
    old = random.normal(size=(60, 50)).astype(np.float32)
    new = (old + 1e-4 * random.normal(size=old.shape)).astype(np.float32)
    np.save(folder / "a.npy", old)
    np.save(folder / "b.npy", new)
    kept = {"norm": np.ones(50, np.float32)}
    safetensors.numpy.save_file({**kept, "layer": old}, folder / "a.safetensors")
    safetensors.numpy.save_file(
        {**kept, "layer": new, "head": new[:3]}, folder / "b.safetensors", {"step": "2"}
    )
    plain = random.bytes(20_000)
    (folder / "a.bin").write_bytes(plain)
    (folder / "b.bin").write_bytes(plain[:5000] + b"put in between" + plain[5000:])


def write_tensor_patch(folder: Path) -> None:
    """The patch between the arrays of `a.npy` and `b.npy`, as Python makes it: `tensor.patch`."""
    base, target = np.load(folder / "a.npy"), np.load(folder / "b.npy")
    (folder / "tensor.patch").write_bytes(sapwood.create_patch(base, target).to_bytes())


def write_long_pair(folder: Path) -> str:
    """Two arrays, and the options that make patching them take a while."""
    random = np.random.default_rng(8)
    old = random.normal(size=(4096, 512)).astype(np.float32)
    np.save(folder / "a.npy", old)
    np.save(folder / "b.npy", old + 1e-3 * random.normal(size=old.shape).astype(np.float32))
    return "--base a.npy --target b.npy --chunk-size 1024 --threads 1"
