"""Fails where a vector path of the kernel holds code that other parts of the module could get.

A weak symbol in such an object is an inline function that was left out of line. The linker keeps
one copy of it for the whole module, and a copy built for AVX-512 must not reach a lesser processor.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "kernel" / "src"
WEAK = re.compile(r" [VWu] ")  # as `nm` marks them


def weak_symbols(build: Path) -> list[str]:
    """The weak symbols in the objects of the vector paths, each a line of `nm`.

    Args:
        build: the folder in which CMake built the whole module.

    Raises:
        SystemExit: not every source of a vector path has its object there, so that a clean answer
            would mean nothing.
    """
    sources = sorted(SOURCES.glob("path_avx*.cpp"))
    objects = sorted(build.glob("kernel/CMakeFiles/*/src/path_avx*.o"))
    if not sources or len(objects) != len(sources):
        sys.exit(
            f"Expected an object of each of {len(sources)} files kernel/src/path_avx*.cpp "
            f"under {build}, found {len(objects)}: make clean build"
        )
    listed = subprocess.run(
        ["nm", "-C", *objects], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if WEAK.search(line)]


def main(build: Path) -> None:
    """Prints the weak symbols and fails if there are any."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        print(f"The kernel has no vector paths with weak symbols on {platform.machine()}.")
        return
    if weak := weak_symbols(build):
        sys.exit(
            "\n".join(weak) + "\nkernel/src/path_avx*.cpp: give what stands above internal linkage,"
            " or have it always inlined."
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
