"""The version of the package and the name of the format are the same wherever they are written."""

from __future__ import annotations

import re
import tomllib

import pytest

import sapwood
from sapwood.patch.format.front import MAGIC, MAJOR, VERSION
from sapwood.patch.format.version import WRITER
from support.model_files import patched
from support.places import ROOT, SPEC

pytestmark = pytest.mark.quick

PAGE = (SPEC / "patch-v1.md").read_text()


def test_the_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sapwood.__version__
    assert f"{project['name']} {project['version']}" == WRITER
    assert WRITER.encode() in patched(b"a", b"b")[0]


def test_the_changelog_knows_the_release() -> None:
    headings = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings
    assert sapwood.__version__ in headings or headings[0].lower() == "unreleased"


def test_the_format() -> None:
    assert f"ttpatch/v{MAJOR}" == VERSION
    assert VERSION in PAGE
    assert (SPEC / f"patch-v{MAJOR}.md").is_file()
    assert MAGIC.hex(" ").upper() in PAGE.upper()


def test_python_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"Programming Language :: Python :: {oldest}" in project["project"]["classifiers"]
