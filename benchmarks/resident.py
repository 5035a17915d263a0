"""Memory of a process and its children, sampled from outside while it works.

RssAnon is what a process allocated (heap, stacks); VmRSS also counts the pages
of files that it maps or reads through a map, which the kernel takes back at
will. Sampling is done by the parent, because a thread inside the process would
wait for the interpreter lock whenever a native call holds it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Bytes, of one process and all that descend from it."""

    anon: int
    resident: int

    def over(self, bare: Memory) -> Memory:
        return Memory(max(0, self.anon - bare.anon), max(0, self.resident - bare.resident))


def status_bytes(pid: int | str, field: str) -> int:
    """A `kB` field of /proc/PID/status in bytes; 0 where the process has no memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def descendants(pid: int) -> list[int]:
    """The process and its children's children, as they are at this moment."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += descendants(int(child))
    return found


def memory_of(pid: int) -> Memory:
    """Zero once the process is gone."""
    anon = resident = 0
    try:
        for each in descendants(pid):
            anon += status_bytes(each, "RssAnon")
            resident += status_bytes(each, "VmRSS")
    except (FileNotFoundError, ProcessLookupError):
        pass  # one of them ended while we looked; the next sample is whole again
    return Memory(anon, resident)


class PeakSampler:
    """Samples a process every `interval` seconds and holds the highest of each figure."""

    def __init__(self, pid: int, interval: float) -> None:
        self._pid = pid
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak = Memory(0, 0)

    def __enter__(self) -> PeakSampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            now = memory_of(self._pid)
            self.peak = Memory(max(self.peak.anon, now.anon), max(self.peak.resident, now.resident))
            self._stop.wait(self._interval)
