"""The example course as it is installed: both releases, students' machines, their notebooks.

Everything runs in processes of its own, as for those who use the course, with a home that is
the test's: nothing of the user's is read or written.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sapwood.files.locks import exclusive_in_turn
from support.places import EXAMPLES

COURSE = EXAMPLES / "course"
OLD, NEW = "1.0.0", "1.1.0"
MODULES = (
    "01_tensors",
    "02_activations",
    "03_layers",
    "04_losses",
    "05_autograd",
    "06_optimizers",
)
MANIFEST = "sapwood-template.toml"
SECONDS = 300  # more than any command takes, on any machine

# What `nbgrader validate` prints.
VALID = "Success! Your notebook passes all the tests."
TAMPERED = "TEST CELL(S) HAVE CHANGED!"

Notebook = dict[str, Any]


def notebook_path(module: str) -> str:
    """Where a module's notebook lies in a workspace."""
    return f"modules/{module}/{module}.ipynb"


def environment(home: Path) -> dict[str, str]:
    """Variables for programs whose user has this home and nothing else."""
    home.mkdir(parents=True, exist_ok=True)
    private = {
        "HOME": home,
        "USERPROFILE": home,
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_DATA_HOME": home / "data",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter",
        "JUPYTER_DATA_DIR": home / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter-runtime",
        "PIP_CONFIG_FILE": os.devnull,
    }
    quiet = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        # nbgrader runs programs that are installed beside it.
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]),
    }
    return {**os.environ, **{name: str(path) for name, path in private.items()}, **quiet}


def run(
    command: list[str | Path], home: Path, cwd: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its expected end."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(home),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def once_a_run(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process of a run of the tests makes, for all of them.

    Args:
        base: pytest's temporary folder for this process.
        name: of the folder.
        make: fills it; called again if it fails.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = shared / name, shared / f"{name}.made"
    with exclusive_in_turn(shared / f"{name}.lock", waiting=lambda: None):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def build(out: Path, home: Path, *releases: str) -> None:
    """Builds releases from the repository, side by side."""
    running = [
        subprocess.Popen(
            [sys.executable, COURSE / "build.py", "--release", release, "--out", out],
            env=environment(home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for release in releases
    ]
    for one in running:
        _, errors = one.communicate(timeout=SECONDS)
        assert one.returncode == 0, errors.decode(errors="replace")


def built_releases(base: Path) -> Path:
    """A folder with the wheels and archives of both releases."""
    return once_a_run(
        base, "course-releases", lambda folder: build(folder, folder.parent / "builder", OLD, NEW)
    )


def wheel(built: Path, release: str) -> Path:
    """The wheel of a release."""
    return built / f"phloem_course-{release}-py3-none-any.whl"


def instructors(built: Path, release: str) -> Path:
    """The instructor's archive of a release."""
    return built / f"phloem-instructor-{release}.zip"


def template_files(archive: Path) -> dict[str, bytes]:
    """The files that the template in a wheel or archive installs, by path in workspaces."""
    with zipfile.ZipFile(archive) as packed:
        (manifest,) = (one for one in packed.namelist() if one.rpartition("/")[2] == MANIFEST)
        top = manifest.removesuffix(MANIFEST)
        return {
            one.removeprefix(top): packed.read(one)
            for one in packed.namelist()
            if one.startswith(top) and one != manifest
        }


def notebooks(archive: Path) -> dict[str, Notebook]:
    """The notebooks of the template in a wheel or archive, by path in workspaces."""
    files = template_files(archive)
    return {path: json.loads(files[path]) for path in files if path.endswith(".ipynb")}


def nbgrader_of(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """What nbgrader keeps of a cell; empty if it knows nothing of it."""
    found: Mapping[str, Any] = cell["metadata"].get("nbgrader", {})
    return found


def is_solution(cell: Mapping[str, Any]) -> bool:
    """Whether students write in a cell."""
    return bool(nbgrader_of(cell).get("solution"))


def write_notebook(file: Path, book: Notebook) -> None:
    """Saves a notebook as an editor does."""
    file.write_text(json.dumps(book, indent=1) + "\n", encoding="utf-8")


def solve(file: Path, solved: Notebook, only: Callable[[str], bool] = lambda _: True) -> int:
    """Writes solutions into a student's notebook, and returns into how many cells.

    Args:
        file: the notebook.
        solved: the instructor's.
        only: whether a cell is to be solved, by id.
    """
    solutions = {one["id"]: one["source"] for one in solved["cells"] if is_solution(one)}
    book = json.loads(file.read_text(encoding="utf-8"))
    cells = [one for one in book["cells"] if one["id"] in solutions and only(one["id"])]
    for cell in cells:
        cell["source"] = solutions[cell["id"]]
    write_notebook(file, book)
    return len(cells)


@dataclasses.dataclass(frozen=True)
class Student:
    """A student's machine: a virtual environment, a home, and a place for workspaces.

    Attributes:
        folder: all of it.
        built: where releases of the course are downloaded from.
    """

    folder: Path
    built: Path

    @classmethod
    def new(cls, folder: Path, built: Path) -> Student:
        """Makes the environment. What the course depends on comes from that of the tests."""
        student = cls(folder, built)
        command: list[str | Path] = [sys.executable, "-m", "venv", "--without-pip", folder / "env"]
        run(command, student.home, folder)
        (packages,) = (folder / "env").glob("lib/python*/site-packages")
        paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        # Not as bare paths: an editable install is made by a .pth file that has to be read as well.
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(paths)]
        (packages / "dependencies.pth").write_text("".join(lines))
        return student

    @property
    def home(self) -> Path:
        """Of the student."""
        return self.folder / "home"

    def program(self, name: str) -> Path:
        """An installed program."""
        return self.folder / "env" / "bin" / name

    def pip(self, *words: str) -> str:
        """Runs `pip install` in the environment, without a network."""
        command: list[str | Path] = [sys.executable, "-m", "pip", "--isolated"]
        command += ["--disable-pip-version-check", "--python", self.program("python"), "install"]
        command += ["--no-index", "--find-links", self.built, *words]
        if not is_installed("sapwood"):
            command.append("--no-deps")  # it is imported from its sources: pip does not see it
        return run(command, self.home, self.folder).stdout

    def phloem(self, words: str, workspace: str = ".", code: int = 0) -> str:
        """Runs the course's program to its expected end, and returns what it prints."""
        command: list[str | Path] = [self.program("phloem"), *words.split()]
        done = run(command, self.home, self.folder / workspace, code)
        assert done.stderr == ""
        return done.stdout

    def python(self, words: str, workspace: str, code: int = 0) -> str:
        """Runs Python in a workspace to its expected end, and returns what it prints."""
        command: list[str | Path] = [self.program("python"), *words.split()]
        return run(command, self.home, self.folder / workspace, code).stdout

    def tests(self, words: str, workspace: str, code: int = 0) -> str:
        """Runs the course's tests in a workspace."""
        return self.python(f"-m pytest -q -p no:cacheprovider {words}", workspace, code)

    def validate(self, workspace: str, *files: str) -> str:
        """What `nbgrader validate` says of notebooks."""
        command: list[str | Path] = [sys.executable, "-m", "nbgrader", "validate", *files]
        done = run(command, self.home, self.folder / workspace)
        return done.stdout + done.stderr


def is_installed(name: str) -> bool:
    """Whether pip knows of a distribution."""
    return any(importlib.metadata.Distribution.discover(name=name))
