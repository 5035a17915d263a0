"""Runs `worker.py` under a time limit and measures its time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from resident import PeakSampler, memory_of

INTERVAL = 0.005  # seconds between two samples of memory; small pairs take 20 ms
WORKER = Path(__file__).with_name("worker.py")
# Pools that a library sizes by itself, and would size by the machine.
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "BLOSC_NTHREADS",
)


@dataclass(frozen=True)
class Call:
    """What one call took; memory is over the process that had only imported."""

    seconds: float
    anon: int  # bytes, highest sample of RssAnon over the bare process
    resident: int  # bytes, VmHWM or the highest sample with children, if that is more
    name: str  # of the peer, in print
    version: str


class CallFailed(Exception):
    """The call gave no result.

    Attributes:
        status: 'not installed', 'not for this pair', 'over N s' or 'failed'.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def failure(stderr: str, code: int) -> CallFailed:
    """Reads the kind of failure from the last line of a traceback."""
    lines = stderr.strip().splitlines() or [f"ended with {code} and no message"]
    kind, _, message = lines[-1].partition(": ")
    if kind in ("ModuleNotFoundError", "ImportError"):
        return CallFailed("not installed", message)
    if kind.endswith("Unsuitable"):
        return CallFailed("not for this pair", message)
    if code == -signal.SIGKILL:
        return CallFailed("failed", "killed, probably for memory")
    return CallFailed("failed", lines[-1][:300])


def measured(peer: str, action: str, threads: int, limit: float, paths: list[Path]) -> Call:
    """One call in a fresh process: `paths` are work, base, what is given, what is made.

    Raises:
        CallFailed: it did not end well, or not within `limit` seconds (which
            count from the end of its imports).
    """
    command: list[str | Path] = [sys.executable, WORKER, peer, action, str(threads), *paths]
    environment = os.environ | dict.fromkeys(POOLS, str(threads))
    with tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
            start_new_session=True,
        )
        # The pipe cannot be read with a timeout, so a timer ends the process group.
        timer = threading.Timer(2 * limit, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            return _converse(process, limit)
        except (json.JSONDecodeError, BrokenPipeError) as e:
            code = process.wait()
            if not timer.is_alive():
                raise CallFailed(f"over {limit:.0f} s", "before its work began") from e
            stderr.seek(0)
            raise failure(stderr.read(), code) from e
        finally:
            timer.cancel()


def _converse(process: subprocess.Popen[str], limit: float) -> Call:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise BrokenPipeError
    bare = memory_of(process.pid)
    with PeakSampler(process.pid, INTERVAL) as sampler:
        try:
            answer, _ = process.communicate("go\n", timeout=limit)
        except subprocess.TimeoutExpired as e:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise CallFailed(f"over {limit:.0f} s", "ended by the harness") from e
    result = json.loads(answer)
    peak = sampler.peak.over(bare)
    return Call(
        seconds=result["seconds"],
        anon=peak.anon,
        resident=max(peak.resident, result["peak"]),
        name=result["name"],
        version=result["version"],
    )
