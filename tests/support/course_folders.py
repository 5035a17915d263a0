"""Templates with modules and courses of them for tests, written out as folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from support.template_folders import user_files, write_files, write_template

NAMES = ("01_tensors", "02_activations", "03_layers", "04_losses")
NEEDS = {"03_layers": ["02_activations"], "04_losses": ["01_tensors"]}
BESIDE: dict[str, str | bytes] = {"README.md": "about\n", "tests/conftest.py": "all\n"}


def files_of(names: tuple[str, ...], text: str = "1") -> dict[str, str | bytes]:
    """Files of some modules, and of none."""
    files = dict(BESIDE)
    for name in names:
        short = name.partition("_")[2]
        files[f"modules/{name}/{name}.py"] = f"{short} {text}\n"
        files[f"tests/{name}/test_{short}.py"] = f"tests of {short} {text}\n"
    return files


def tables(names: tuple[str, ...], more: str = "") -> str:
    """What a manifest says of modules, after something else."""
    lines = [more]
    for name in names:
        needs = [one for one in NEEDS.get(name, []) if one in names]
        lines += ["[[modules]]", f"name = {json.dumps(name)}", f"needs = {json.dumps(needs)}", ""]
    return "\n".join(lines)


def template(
    folder: Path,
    version: str = "1.0.0",
    names: tuple[str, ...] = NAMES,
    files: Mapping[str, str | bytes] | None = None,
    more: str = "",
) -> Path:
    """Writes a template in place of another."""
    shutil.rmtree(folder, ignore_errors=True)
    return write_template(folder, version, files or files_of(names), more=tables(names, more))


def course(folder: Path, *modules: str, more: str = "", project: str | None = None) -> Path:
    """Writes a course in place of another, with an extra assignment if its text is given."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = "".join(f"  - {one}\n" for one in modules)
    text = f"template: course\ntitle: CS 101, spring\nmodules:\n{listed}{more}"
    if project is not None:
        text += "extra:\n  - from: assignments/project\n    to: modules/90_project\n"
        write_files(folder, {"assignments/project/project.py": project})
    return write_files(folder, {"course.yml": text})


def text_of(root: Path) -> dict[str, str]:
    """The files of a workspace as text."""
    return {path: data.decode() for path, data in user_files(root).items()}
