"""[[exports]] and [environment] in manifests, from anybody: refused, or safe to act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from sapwood.errors import InvalidPackage
from sapwood.workspace import Environment, Export, Manifest, open_package, parse_manifest
from support.template_folders import notebook, write_template

pytestmark = pytest.mark.quick

HEAD = 'schema = 1\nname = "c"\nversion = "1"\n'


def parsed(more: str) -> Manifest:
    return parse_manifest(f"{HEAD}{more}\n".encode())


def test_what_a_manifest_says() -> None:
    manifest = parsed("""
[[exports]]
notebook = "modules/05_autograd/05_autograd.ipynb"
to = "leaf/deep/autograd.py"
[environment]
python = ">=3.11, <4"
packages = ["numpy >= 1.26", "tomli; python_version < '3.11'"]
imports = ["leaf", "leaf"]
""")
    (export,) = manifest.exports
    assert export == Export("modules/05_autograd/05_autograd.ipynb", "leaf/deep/autograd.py")
    assert export.packages() == ["leaf/__init__.py", "leaf/deep/__init__.py"]
    assert Export("a.ipynb", "a.py").packages() == []
    assert manifest.environment == Environment(
        SpecifierSet(">=3.11,<4"),
        (Requirement("numpy>=1.26"), Requirement("tomli; python_version < '3.11'")),
        ("leaf",),
    )
    assert (parsed("").exports, parsed("").environment) == ((), Environment())


BAD_EXPORTS = {
    "no notebook": ("a.py", "leaf/a.py"),
    "a notebook outside": ("../a.ipynb", "leaf/a.py"),
    "a module outside": ("a.ipynb", "../leaf/a.py"),
    "an absolute module": ("a.ipynb", "/leaf/a.py"),
    "a drive": ("a.ipynb", "C:/a.py"),
    "hidden": ("a.ipynb", ".c/version.py"),
    "the record": ("a.ipynb", ".c/version.json"),
    "no Python": ("a.ipynb", "leaf/a.ipynb"),
    "no name that is imported": ("a.ipynb", "leaf/a-b.py"),
    "no folder that is imported": ("a.ipynb", "my leaf/a.py"),
    "a keyword": ("a.ipynb", "leaf/class.py"),
    "a number": ("a.ipynb", "05_leaf/a.py"),
    "nothing": ("a.ipynb", ".py"),
    "a device": ("a.ipynb", "leaf/con.py"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("case", BAD_EXPORTS)
def test_exports_that_break_the_rules(case: str) -> None:
    notebook_path, to = BAD_EXPORTS[case]
    with pytest.raises(InvalidPackage, match=r"exports\[0\]\.(notebook|to): "):
        parsed(f'[[exports]]\nnotebook = "{notebook_path}"\nto = "{to}"')


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a.ipynb", "leaf/a.py"), ("b.ipynb", "leaf/A.py")),
        (("a.ipynb", "leaf/a.py"), ("A.ipynb", "leaf/b.py")),
    ],
)
def test_exports_that_are_one_where_case_is_folded(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    lines = "".join(f'[[exports]]\nnotebook="{one}"\nto="{to}"\n' for one, to in (first, second))
    with pytest.raises(InvalidPackage, match="in another export too"):
        parsed(lines)


def test_other_faults() -> None:
    with pytest.raises(InvalidPackage, match="at most 1000"):
        parsed("".join(f'[[exports]]\nnotebook="a{i}.ipynb"\nto="a{i}.py"\n' for i in range(1001)))
    with pytest.raises(InvalidPackage, match="among notebook, to"):
        parsed('[[exports]]\nnotebook="a.ipynb"\nto="a.py"\nmode="x"')
    with pytest.raises(InvalidPackage, match="environment: expected named fields, found 1"):
        parsed("environment = 1")
    with pytest.raises(InvalidPackage, match="among imports, packages, python"):
        parsed("[environment]\nconda = true")


@pytest.mark.parametrize(
    "line",
    [
        'python = "three"',
        "python = 3.11",
        f'python = ">=3.{"1" * 300}"',
        'packages = "numpy"',
        'packages = ["numpy @ https://example.com/numpy.zip"]',
        'packages = ["numpy[all]"]',
        'packages = ["num py"]',
        'packages = ["--index-url=evil"]',
        'packages = ["numpy>=one"]',
        'packages = [""]',
        f'packages = ["a; {"(" * 90}python_version>\'3\'{")" * 90}", ""]',
        'packages = ["../numpy"]',
        'imports = ["leaf.a"]',
        'imports = ["class"]',
        'imports = ["../leaf"]',
        'imports = [""]',
        f'imports = ["{"a" * 201}"]',
    ],
)
def test_environments_that_break_the_rules(line: str) -> None:
    with pytest.raises(InvalidPackage, match=r"environment\.(python|packages|imports)"):
        parsed(f"[environment]\n{line}")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_refused_or_safe(one: str, other: str) -> None:
    texts = [repr(text).replace("'", '"') for text in (one, other)]
    try:
        manifest = parsed(
            f"[[exports]]\nnotebook = {texts[0]}\nto = {texts[1]}\n"
            f"[environment]\npython = {texts[0]}\npackages = [{texts[1]}]"
        )
    except InvalidPackage:
        return
    for export in manifest.exports:
        assert export.notebook.endswith(".ipynb")
        assert ".." not in export.to.split("/")


def test_exports_fit_the_files_of_the_template(tmp_path: Path) -> None:
    export = '[[exports]]\nnotebook = "a.ipynb"\nto = "leaf/a.py"\n'
    files: dict[str, str | bytes] = {"a.ipynb": notebook("#| export\n")}
    open_package(write_template(tmp_path / "good", "1", files, more=export)).close()
    for name, more in {
        "the template has it": {"leaf/a.py": "x"},
        "in other letters": {"Leaf/A.py": "x"},
        "a file in place of its folder": {"leaf": "x"},
    }.items():
        folder = write_template(tmp_path / name, "1", {**files, **more}, more=export)
        with pytest.raises(InvalidPackage, match="cannot both be files"):
            open_package(folder)
    with pytest.raises(InvalidPackage, match=r"exports name 'a\.ipynb', which is not there"):
        open_package(write_template(tmp_path / "gone", "1", {"b": "c"}, more=export))
