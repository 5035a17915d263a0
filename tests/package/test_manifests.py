"""What a manifest says of modules, and that it is read without the files that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sapwood.errors import InputError, InvalidPackage
from sapwood.package import Module, find_module, parse_manifest, read_manifest
from support.template_folders import write_template

pytestmark = pytest.mark.quick

MODULES = """schema = 1
name = "course"
version = "1.0.0"
user = "student"
[[modules]]
name = "01_tensors"
title = "Tensors"
[[modules]]
name = "12_autograd"
needs = ["01_tensors"]
"""


def test_modules_are_found_by_number_and_name() -> None:
    manifest = parse_manifest(MODULES.encode())
    tensors, autograd = manifest.modules
    assert (manifest.user, autograd) == ("student", Module("12_autograd", "autograd", tensors_only))
    for word in ("1", "01", "tensors", "01_tensors"):
        assert find_module(manifest.modules, word) is tensors
    for word in ("2", "", "tensor", "12_", "x" * 10_000):
        with pytest.raises(InputError, match="01_tensors, 12_autograd"):
            find_module(manifest.modules, word)
    with pytest.raises(InputError, match="expected a module, and there are none"):
        find_module((), "05")


tensors_only = ("01_tensors",)


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("modules/01_tensors/01_tensors.ipynb", True),
        ("tests/01_tensors/test_a.py", True),
        ("modules/01_tensors.ipynb", True),
        ("modules/01_tensors_more/a.py", False),
        ("modules/tensors.py", False),
        ("a/b01_tensors/c", False),
    ],
)
def test_the_files_of_a_module(path: str, held: bool) -> None:
    assert Module("01_tensors", "Tensors").holds(path) is held


@pytest.mark.parametrize(
    "modules",
    [
        'name = "tensors"',
        'name = "01_tensors"\nneeds = ["02_layers"]',
        'name = "01_tensors"\n[[modules]]\nname = "01_layers"',
        'name = "01_tensors"\n[[modules]]\nname = "02_Tensors"',
        'name = "01_../x"',
        'name = "01_a"\ntitle = "\\n"',
        'name = "01_a"\nextra = 1',
    ],
)
def test_modules_that_break_the_rules(modules: str) -> None:
    with pytest.raises(InvalidPackage, match=r"modules\["):
        parse_manifest(f'schema=1\nname="c"\nversion="1"\n[[modules]]\n{modules}\n'.encode())


def test_a_manifest_is_read_without_the_rest(tmp_path: Path) -> None:
    write_template(tmp_path / "package", "1.0.0", {"tests/a.py": "one\n"})
    (tmp_path / "package/link").symlink_to("nowhere")  # which makes it no package
    assert read_manifest(tmp_path / "package").name == "course"
    (tmp_path / "package/sapwood-template.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(InvalidPackage, match="at most"):
        read_manifest(tmp_path / "package")
