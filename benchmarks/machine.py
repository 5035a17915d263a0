"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path


def _cpu_fields() -> dict[str, str]:
    """/proc/cpuinfo of the first processor."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _compiler() -> str:
    """The first line of the C++ compiler's own description, or '' without one."""
    program = shutil.which(os.environ.get("CXX", "c++"))
    if program is None:
        return ""
    run = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


def describe() -> dict[str, str | int | list[str]]:
    """CPU, vector extensions, cores, memory, system, Python and compiler."""
    cpu = _cpu_fields()
    flags = set(cpu.get("flags", "").split())
    vectors: list[str] = [
        f for f in ("avx2", "avx512f", "avx512bw", "avx512_vbmi2", "sha_ni") if f in flags
    ]
    parts = (f"{label} {cpu[key]}" for label, key in
             (("family", "cpu family"), ("model", "model")) if key in cpu)  # fmt: skip
    return {
        "cpu": f"{cpu.get('model name', platform.machine())} ({', '.join(parts)})",
        "vector extensions": vectors,
        "cores": len(os.sched_getaffinity(0)),
        "memory": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "compiler": _compiler(),
    }
