"""The xdelta3 program, with a source window as large as the base."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from peers.peer import Peer

# xdelta3 takes windows from 512 KiB to 2 GiB and looks for matches only inside.
MIN_WINDOW, MAX_WINDOW = 1 << 19, 1 << 31


class Xdelta3(Peer):
    name = "xdelta3"
    package = "xdelta3"
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, threads: int, work: Path) -> None:
        super().__init__(threads, work)
        program = shutil.which("xdelta3")
        if program is None:
            raise ModuleNotFoundError("no program xdelta3 on PATH")
        self.program = program

    def version(self) -> str:
        run = subprocess.run([self.program, "-V"], capture_output=True, text=True, check=True)
        return (run.stdout + run.stderr).split(",")[0].rpartition(" ")[2]

    def run(self, base: Path, *arguments: str | Path) -> None:
        window = min(max(base.stat().st_size, MIN_WINDOW), MAX_WINDOW)
        command = [self.program, "-f", "-B", str(window), "-s", base, *self.options, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def create(self, base: Path, target: Path, patch: Path) -> None:
        self.run(base, "-e", target, patch)

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        self.run(base, "-d", patch, out)


class Xdelta3Best(Xdelta3):
    """Its highest level, with its own secondary compression."""

    name = "xdelta3 -9 -S djw"
    options = ("-9", "-S", "djw")
