"""A package that is open: what it holds, what is read of it, and that it is closed once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sapwood.content.digests import raw_hash
from sapwood.errors import InvalidPackage, InvalidStore
from sapwood.files.reading import Stripes
from sapwood.package import Package, PackageFile, Target, open_package
from support.oci_layouts import TITLE, LayoutFolder, with_layers
from support.template_folders import write_files

pytestmark = pytest.mark.quick

MANIFEST = b'schema = 1\nname = "course"\nversion = "1.0"\n'
PATCHED = """schema = 1
name = "models"
version = "2.0"
[[policies]]
pattern = "**"
policy = "weights"
[[patches]]
path = "{path}"
base = "1.0"
patch = "patches/1.0.ttp"
sha256 = "{sha256}"
size = 5
"""


class Closing:
    """Counts how often a package is closed."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def file_of(path: str, data: bytes, target: Target | None = None) -> PackageFile:
    def stripes() -> Stripes:
        yield data

    return PackageFile(path, len(data), False, (0, 0, 0, 0, 0), stripes, target)


def test_a_package_is_closed_once(tmp_path: Path) -> None:
    closing = Closing()
    with Package({"sapwood-template.toml": file_of("sapwood-template.toml", MANIFEST)}, closing):
        assert closing.count == 0
    assert closing.count == 1


@pytest.mark.parametrize("files", [{}, {"sapwood-template.toml": b"?"}, {"a/../b": b""}])
def test_one_that_breaks_the_rules_is_closed_too(files: dict[str, bytes]) -> None:
    closing = Closing()
    with pytest.raises(InvalidPackage):
        Package({path: file_of(path, data) for path, data in files.items()}, closing)
    assert closing.count == 1


def test_a_file_that_it_has_only_as_a_patch(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"12345").hexdigest()
    text = PATCHED.format(path="model.bin", sha256=sha256)
    folder = write_files(
        tmp_path / "models", {"sapwood-template.toml": text, "patches/1.0.ttp": b"patch"}
    )
    with open_package(folder) as package:
        (file,) = package.files.values()
        assert file.only is not None
        assert (file.path, file.size) == ("model.bin", 5)
        assert file.only.identity(None).hash == f"sha256:{sha256}"
        assert package.patches["patches/1.0.ttp"].read() == b"patch"
        with pytest.raises(InvalidPackage, match=r"model\.bin: .*only as a patch from 1\.0"):
            file.read()


def test_what_patches_lead_to_is_compared() -> None:
    target = Target(hashlib.sha256(b"12345").hexdigest(), 5)
    right, wrong = file_of("a", b"12345", target), file_of("a", b"54321", target)
    right.check_target(right.canonical_hash())
    with pytest.raises(InvalidPackage, match="to which patches lead"):
        wrong.check_target(wrong.canonical_hash())


def test_damage_of_a_store_is_no_damage_of_the_package(tmp_path: Path) -> None:
    layout = LayoutFolder(tmp_path / "layout")
    blob = layout.blob(b"right\n", "text/plain", {TITLE: "a.txt"})
    with_layers(layout, blob)
    with open_package(f"oci:{layout.path}") as package:
        file = package.files["a.txt"]
        assert file.canonical_hash() == raw_hash([b"right\n"])
        layout.file_of(blob).write_bytes(b"wrong\n")
        with pytest.raises(InvalidStore, match="copy the layout anew"):
            file.read()
    layout.file_of(blob).unlink()
    with pytest.raises(InvalidStore, match=rf"^oci:{layout.path}: layer sha256:\w+: "):
        open_package(f"oci:{layout.path}")
