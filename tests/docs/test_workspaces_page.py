"""What docs/workspaces.md shows authors can be copied: its manifest, program and course work."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sapwood.workspace import Workspace, parse_course, parse_manifest
from support.places import DOCS
from support.template_folders import notebook, user_files, write_files, write_template

PAGE = DOCS / "workspaces.md"


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in their order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )


FILES: dict[str, str | bytes] = {
    "tests/05_autograd/test_integration.py": "assert 1\n",
    "milestones/cnn.py": "print(1)\n",
    "modules/05_autograd/05_autograd.ipynb": notebook("#| export\ndef slope(x):\n    return 3 * x"),
    "modules/99_old/a.py": "old\n",
    "weights/encoder.safetensors": b"weights",
    "patches/encoder-1.0.0.ttp": b"a patch",
}


def test_the_manifest_is_one(tmp_path: Path) -> None:
    (text,) = (one for one in blocks("toml") if one.startswith("schema = "))
    manifest = parse_manifest(text.encode())
    assert [one.name for one in manifest.modules] == ["04_losses", "05_autograd"]
    assert [one.name for one in manifest.data] == ["digits"]
    # The file that the page's patch leads to is not at hand, so the template holds another.
    size = re.search(r"^sha256 = \S+\nsize = 104857600.*\n", text, re.MULTILINE)
    assert size is not None
    text = text.replace(size[0], "")
    first = text.replace('version = "1.1.0"            # as', 'version = "1.0.0"  # as')
    migrations = first[first.index("[[migrations]]") : first.index("[[notes]]")]
    first = first.replace(migrations, "")
    renamed = FILES | {"milestones/04_cnn.py": "print(2)\n"}
    for name in ("milestones/cnn.py", "modules/99_old/a.py"):
        del renamed[name]
    write_files(tmp_path / "1.0.0", FILES | {"sapwood-template.toml": first})
    write_files(tmp_path / "1.1.0", renamed | {"sapwood-template.toml": text})
    workspace, _ = Workspace.init(tmp_path / "course", tmp_path / "1.0.0")
    workspace.update(tmp_path / "1.1.0")
    assert user_files(workspace.root).keys() == renamed.keys() - {"patches/encoder-1.0.0.ttp"}
    workspace.export(tmp_path / "1.1.0", ["05"])
    assert (workspace.root / "leaf/autograd.py").read_text().endswith("    return 3 * x\n")


def test_the_program_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = (one for one in blocks("python") if "workspace_cli(" in one)
    names: dict[str, Any] = {}
    exec(source.replace('"dist:our-course"', repr(str(tmp_path / "template"))), names)
    write_template(tmp_path / "template", "1.0.0", {"tests/a.py": "1\n"})
    assert names["main"](["init", str(tmp_path / "course")]) == 0
    assert "Made " in capsys.readouterr().out


def test_the_distribution_is_one(tmp_path: Path) -> None:
    (text,) = (one for one in blocks("toml") if "[build-system]" in one)
    sources = {
        "pyproject.toml": text,
        "src/course/__init__.py": "",
        "src/course/cli.py": next(one for one in blocks("python") if "workspace_cli(" in one),
    }
    write_files(tmp_path / "course", sources)
    write_template(tmp_path / "course/src/course/template", "1.1.0", {"tests/a.py": "1\n"})
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    where = ["--wheel-dir", str(tmp_path), str(tmp_path / "course")]
    subprocess.run([*wheel, "--no-index", *where], check=True, capture_output=True)
    (built,) = tmp_path.glob("our_course-1.1.0-*.whl")
    names = zipfile.ZipFile(built).namelist()
    assert {"course/cli.py", "course/template/sapwood-template.toml"} <= set(names)
    assert "course/template/tests/a.py" in names


def test_the_course_is_one() -> None:
    (text,) = blocks("yaml")
    config = parse_course(text.encode())
    assert (config.template, config.title) == ("phloem", "CS 101, spring")
