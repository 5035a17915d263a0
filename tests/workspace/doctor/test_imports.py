"""What doctor finds of packages: which are installed, which are imported, what is in the way."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from support.doctor_case import NOTE, PROBLEM, Case, new_case, one
from support.template_folders import write_files

INSTALLED = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return new_case(tmp_path, monkeypatch)


def install(site: Path, name: str, version: str, files: Mapping[str, str] | None = None) -> None:
    """Puts a distribution where Python finds it, as pip would."""
    shutil.rmtree(site)
    info = f"{name}-{version}.dist-info"
    record = "".join(f"{path},,\n" for path in files or {})
    about = {f"{info}/METADATA": INSTALLED.format(name, version), f"{info}/RECORD": record}
    write_files(site, {**(files or {}), **about})


def test_packages(case: Case) -> None:
    manifest = case.template() / "sapwood-template.toml"
    needed = '"twigs>=2", "branches; python_version < \'3\'"'
    manifest.write_text(manifest.read_text().replace('"numpy>=1.26"', needed))
    found = one(case.found(), "package")
    assert (found.subject, found.message) == ("twigs", "not installed; expected twigs>=2")
    assert found.remedy is not None
    assert found.remedy.text == f"{sys.executable} -m pip install 'twigs>=2'"
    site = case.folder / "site"
    install(site, "twigs", "1.9")
    assert one(case.found(), "package").message == "1.9 is installed; expected twigs>=2"
    install(site, "twigs", "broken!")
    assert one(case.found(), "package").message == "damaged; expected twigs>=2"
    install(site, "twigs", "2.0rc1")
    assert one(case.found(), "package").severity is PROBLEM  # before 2
    install(site, "twigs", "2.1")
    assert case.kinds() == []


def test_an_installed_package_of_the_same_name(case: Case) -> None:
    site = case.folder / "site"
    write_files(site, {"leaf/__init__.py": "raise SystemExit\n"})
    found = one(case.found(), "import")
    assert (found.severity, found.subject) == (PROBLEM, "leaf")
    assert found.message == (
        f"another one is installed: {site}/leaf/__init__.py; where Python starts in the "
        f"workspace, leaf/__init__.py is imported, by this program {site}/leaf/__init__.py"
    )
    assert found.remedy is not None
    assert found.remedy.text == "remove it or rename it"
    install(site, "our-leaf", "1.0", {"leaf/__init__.py": ""})
    found = one(case.found(), "import")
    assert found.remedy is not None
    assert found.remedy.text == f"{sys.executable} -m pip uninstall our-leaf"
    shutil.rmtree(site / "leaf")
    assert case.kinds() == []
    write_files(site, {"leaf/__pycache__/left.pyc": "over"})  # loses, wherever Python starts
    assert case.kinds() == []


def test_a_package_without_init_loses(case: Case) -> None:
    (case.root / "leaf/__init__.py").unlink()
    found = one(case.found(), "import")
    assert "leaf/ has no __init__.py" in found.message
    site = case.folder / "site"
    write_files(site, {"leaf.py": ""})
    message = one(case.found(), "import").message
    assert f"in the workspace, {site}/leaf.py is imported" in message
    (site / "leaf.py").unlink()
    assert case.run(found) == 0
    assert case.kinds() == []
    shutil.rmtree(case.root / "leaf")
    found = one(case.found(), "import")
    assert (found.severity, found.message) == (NOTE, "not in the workspace yet")
    assert case.run(found) == 0
    assert case.kinds() == []


class Hook:
    """A finder as editable installations add one."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        return spec_from_file_location(name, self.file) if name == "leaf" else None


def test_an_editable_package_of_the_same_name(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(case.folder, {"src/leaf/__init__.py": ""})
    file = case.folder / "src/leaf/__init__.py"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [*sys.meta_path, Hook(file)])
        assert str(file) in one(case.found(), "import").message
    assert case.kinds() == []


@pytest.mark.parametrize(
    ("path", "whose"),
    [
        ("random.py", "Python's own"),
        ("numpy.py", "the package numpy"),
        ("numpy/__init__.py", "the package numpy"),
        ("modules/05_autograd/json.py", "Python's own"),
        ("tests/05_autograd/types.py", "Python's own"),
    ],
)
def test_files_that_shadow_others(case: Case, path: str, whose: str) -> None:
    write_files(case.root, {path: "raise SystemExit\n"})
    found = one(case.found(), "shadow")
    name = path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]
    assert (found.severity, found.subject) == (PROBLEM, path)
    assert found.message == f"is imported as {name}, in place of {whose}"
    assert found.remedy is not None
    assert found.remedy.text == "rename it"
    (case.root / path).rename(case.root / "other.py")
    assert "shadow" not in case.kinds()


@pytest.mark.parametrize(
    "path",
    [
        *("sys.py", "os.py", "time.py"),  # Python has them before it looks anywhere
        *("random.txt", "json/data.txt", "numpy/data.csv", "test/data.txt"),
        *("leaf/random.py", "deep/er/random.py", "leaf.py.bak", "random"),
    ],
)
def test_files_that_shadow_nothing(case: Case, path: str) -> None:
    write_files(case.root, {path: "raise SystemExit\n"})
    assert case.kinds() == []
