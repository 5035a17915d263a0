"""Builds a release of the course.

    OUT/phloem_course-VERSION-py3-none-any.whl    what students install
    OUT/phloem-instructor-VERSION.zip             a template of the same course with solutions,
                                                  and what nbgrader needs to grade it

Notebooks are made from the percent sources in `source/modules`. The same sources give the same
bytes: files are dated by SOURCE_DATE_EPOCH, or 2 February 2020 without it.

    python build.py --out dist
    python build.py --release 1.0.0 --out dist

It needs `pip install hatchling jupytext nbgrader` and no network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from releases import LITTER, MANIFEST, Release, releases
from sapwood.errors import InputError, SapwoodError

if TYPE_CHECKING:
    from notebooks import Notebooks

COURSE = Path(__file__).parent
DATE = "1580601600"  # seconds since 1970
TEMPLATES = Path("src", "phloem_course", "_templates")
INSTRUCTOR = {
    'name = "phloem"': 'name = "phloem-instructor"',
    'user = "student"': 'user = "instructor"',
}


def build(course: Path, wanted: str | None, out: Path) -> list[Path]:
    """Builds a release.

    Args:
        course: its folder.
        wanted: the version, None for the last one.
        out: the folder for what is built; made if need be.

    Returns:
        The files that were written.

    Raises:
        InputError: there is no such release, or its sources are not as they should be.
    """
    past = releases_up_to(course, wanted)
    version = past[-1].version
    solved, students = made_notebooks(past)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(course / "src", project / "src", ignore=LITTER)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(course / name, project)
        write_template(past[-1], students, project / TEMPLATES)
        teaching = write_template(past[-1], solved, Path(folder) / "instructor")
        make_instructors(course, teaching)
        archive = out / f"phloem-instructor-{version}.zip"
        write_zip(teaching, archive)
        return [make_wheel(project, out), archive]


def releases_up_to(course: Path, wanted: str | None) -> list[Release]:
    """The release that is to be built, and those before it.

    Raises:
        InputError: there is none of that version.
    """
    known = releases(course)
    try:
        version = known[-1].version if wanted is None else Version(wanted)
    except InvalidVersion as e:
        raise InputError(f"{wanted!r:.80}: expected a version such as {known[-1].version}") from e
    past = [one for one in known if one.version <= version]
    if not past or past[-1].version != version:
        names = ", ".join(str(one.version) for one in known)
        raise InputError(f"no release {version}; there are {names}")
    return past


def made_notebooks(past: Sequence[Release]) -> tuple[Notebooks, Notebooks]:
    """The notebooks of the last of these releases: with solutions, and for students.

    Raises:
        InputError: jupytext or nbgrader is not installed.
    """
    try:
        from notebooks import solved_notebooks, student_notebooks
    except ModuleNotFoundError as e:
        raise InputError(f"{e}; pip install hatchling jupytext nbgrader") from e
    solved = solved_notebooks(past)
    return solved, student_notebooks(solved)


def write_template(release: Release, notebooks: Notebooks, folder: Path) -> Path:
    """Writes a template: the release's files, with notebooks for their sources."""
    from notebooks import notebook_bytes

    release.copy_to(folder)
    for path, book in notebooks.items():
        (folder / path).write_bytes(notebook_bytes(book))
        (folder / path).with_suffix(".py").unlink()
    return folder


def make_instructors(course: Path, template: Path) -> None:
    """Turns a template with solutions into the instructor's own.

    Raises:
        InputError: the manifest has no line to put the name in.
    """
    shutil.copy(course / "nbgrader_config.py", template)
    manifest = template / MANIFEST
    lines = manifest.read_text(encoding="utf-8").splitlines()
    if not INSTRUCTOR.keys() <= set(lines):
        raise InputError(f"{MANIFEST}: expected the lines {', '.join(INSTRUCTOR)}")
    changed = [INSTRUCTOR.get(line, line) for line in lines]
    manifest.write_text("\n".join([*changed, ""]), encoding="utf-8", newline="\n")


def make_wheel(project: Path, out: Path) -> Path:
    """Builds the wheel, with what is installed here: no network.

    Raises:
        InputError: pip cannot build it.
    """
    made = project.parent / "wheel"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-build-isolation", "--no-deps", "--wheel-dir", str(made), str(project)]
    environment = {"SOURCE_DATE_EPOCH": DATE, **os.environ}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise InputError(f"pip cannot build the wheel: {done.stderr.decode(errors='replace')}")
    (wheel,) = made.iterdir()
    return Path(shutil.copy(wheel, out))


def write_zip(folder: Path, archive: Path) -> None:
    """Packs a folder; the bytes depend on names and contents alone."""
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", DATE)))[:6]
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), date)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, file.read_bytes())


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", metavar="VERSION", help="default: the last one")
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        written = build(COURSE, arguments.release, arguments.out)
    except SapwoodError as e:
        print(f"build.py: error: {e}", file=sys.stderr)
        return e.exit_code
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
