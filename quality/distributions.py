"""Installs a wheel and an sdist as strangers do, and runs the README's Python with each.

Each goes into an empty environment of its own. The wheel finds no compiler there, and nothing else
may be compiled for it either. The sdist is built in isolation, so that pyproject.toml has to name
all that a build needs beside a compiler. Dependencies come from the package index.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
PRINTED = "True\n"  # by the README's Python

# What an sdist holds at its top, and nothing beside it: no tests, no benchmarks, no examples.
IN_SDIST = {
    "CHANGELOG.md",
    "CMakeLists.txt",
    "LICENSE",
    "NOTICE",
    "PKG-INFO",
    "README.md",
    "kernel",
    "pyproject.toml",
    "spec",
    "src",
}


def main(distributions: list[Path]) -> None:
    """Checks one wheel and one sdist, in any order.

    Raises:
        SystemExit: other files were given, or one of them is not what strangers need.
    """
    wheels = [one for one in distributions if one.suffix == ".whl"]
    sdists = [one for one in distributions if one.name.endswith(".tar.gz")]
    if (len(wheels), len(sdists), len(distributions)) != (1, 1, 2):
        sys.exit(f"Expected one wheel and one sdist, found {[one.name for one in distributions]}")
    check_wheel(wheels[0].absolute())
    check_sdist(sdists[0].absolute())


def check_wheel(wheel: Path) -> None:
    """Installs a wheel where no compiler can be reached, and runs the README's Python.

    Raises:
        SystemExit: the wheel is for this machine only.
        subprocess.CalledProcessError: it cannot be installed, or the Python fails.
    """
    if "manylinux" not in wheel.name:
        sys.exit(f"Expected a manylinux wheel, found {wheel.name}")
    with tempfile.TemporaryDirectory() as folder:
        python = empty_environment(Path(folder))
        programs = {"PATH": str(python.parent), "CC": "/nonexistent", "CXX": "/nonexistent"}
        install(python, wheel, {**os.environ, **programs}, "--only-binary=:all:")
        run_readme(python, Path(folder))
    print(f"{wheel.name}: installed without a compiler, runs the README's Python")


def check_sdist(sdist: Path) -> None:
    """Builds and installs an sdist, and runs the README's Python.

    Raises:
        SystemExit: the sdist holds more or less than it should.
        subprocess.CalledProcessError: it cannot be built or installed, or the Python fails.
    """
    with tarfile.open(sdist) as packed:
        held = {name.split("/")[1] for name in packed.getnames() if "/" in name}
    if held != IN_SDIST:
        sys.exit(
            f"{sdist.name} lacks {sorted(IN_SDIST - held)} and should not hold "
            f"{sorted(held - IN_SDIST)}: tool.scikit-build.sdist in pyproject.toml"
        )
    with tempfile.TemporaryDirectory() as folder:
        python = empty_environment(Path(folder))
        install(python, sdist, os.environ)
        run_readme(python, Path(folder))
    print(f"{sdist.name}: built, installed, runs the README's Python")


def empty_environment(folder: Path) -> Path:
    """The interpreter of a new virtual environment with nothing in it but pip."""
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    return folder / "environment" / "bin" / "python"


def install(python: Path, distribution: Path, variables: Mapping[str, str], *options: str) -> None:
    """Installs a distribution and what it depends on."""
    quietly = ["--quiet", "--disable-pip-version-check"]
    command: list[str | Path] = [python, "-m", "pip", "install", *quietly, *options, distribution]
    subprocess.run(command, env=variables, check=True)


def run_readme(python: Path, folder: Path) -> None:
    """Runs the README's one example of Python in a folder, away from the sources.

    Raises:
        SystemExit: it prints something else than it should.
        subprocess.CalledProcessError: it fails.
    """
    (example,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    # -I: neither the folder nor PYTHONPATH may bring a package that was not installed.
    printed = subprocess.run(
        [python, "-I", "-c", example], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    if printed != PRINTED:
        sys.exit(f"Expected {PRINTED!r} of the README's Python, found {printed!r}")


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
