"""One timed call in a process of its own; started by `measure.py`.

    worker.py PEER create THREADS WORK BASE TARGET PATCH
    worker.py PEER apply  THREADS WORK BASE PATCH  OUT
    worker.py copy copy   THREADS WORK BASE TARGET OUT

It imports and prepares, says `ready` and waits for a line, so that its parent
can look at the memory of the bare process first. Then it works, syncs what it
wrote, and prints seconds, version and the growth of its peak resident size as
JSON. What the codec prints goes to stderr. A failure is a traceback there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from copying import copy_with_sha256
from peers import load_peer
from resident import status_bytes

RESET_PEAK = "5"  # to /proc/self/clear_refs: VmHWM starts again from VmRSS


def stay_on_one_core() -> None:
    """One thread is measured on one core, whatever pools a library starts."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def reset_peak() -> None:
    # Where it is not allowed, VmHWM includes the imports: the table can only overstate.
    with contextlib.suppress(PermissionError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def job(arguments: list[str]) -> tuple[Callable[[], object], str, str]:
    """The call to time, and the name and version of what is called."""
    key, action, threads = arguments[:3]
    work, base, given, out = map(Path, arguments[3:])
    if key == "copy":
        return lambda: copy_with_sha256(given, out), "copy with SHA-256", ""
    peer = load_peer(key)(int(threads), work)
    peer.prepare(base)
    call = peer.create if action == "create" else peer.apply

    def run() -> None:
        call(base, given, out)
        sync(out)  # the others leave it to the kernel; Sapwood has done it already

    return run, peer.name, peer.version()


def main() -> None:
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if int(sys.argv[3]) == 1:
        stay_on_one_core()
    run, name, version = job(sys.argv[1:])
    reset_peak()
    bare = status_bytes("self", "VmRSS")
    print("ready", file=channel, flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    peak = status_bytes("self", "VmHWM") - bare
    print(
        json.dumps({"seconds": seconds, "name": name, "version": version, "peak": peak}),
        file=channel,
    )


if __name__ == "__main__":
    main()
