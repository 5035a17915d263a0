"""Which artifact of an OCI image layout is meant, and what is read of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.errors import InputError
from sapwood.files.stamps import Stamps
from sapwood.package import PackageFile
from sapwood.store.oci import Reference, parse_reference
from sapwood.workspace import Workspace, open_package
from sapwood.workspace.course.template import Template
from support.cli_session import Session
from support.oci_layouts import (
    EMPTY,
    TAR,
    TITLE,
    Descriptor,
    LayoutFolder,
    one_tar,
    oras_files,
    tar_of,
)
from support.places import GOLDEN
from support.template_folders import user_files, write_files, write_template

pytestmark = pytest.mark.quick

# Written by umoci 0.4.7 (`new`, `unpack`, files copied into rootfs/, `repack --no-history`), and
# copied by skopeo 1.9.3 (`copy --dest-compress-format zstd oci:… oci:…:zstd:1.0.0`).
MANIFEST = b'schema = 1\nname = "course"\nversion = "1.0.0"\n'
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def layout(tmp_path: Path) -> LayoutFolder:
    return LayoutFolder(tmp_path / "layout")


def artifact(layout: LayoutFolder, version: str) -> Descriptor:
    """The manifest of a template that is one file."""
    text = MANIFEST.replace(b"1.0.0", version.encode())
    return layout.manifest([layout.blob(text, "text/plain", {TITLE: "sapwood-template.toml"})])


def version_of(source: str) -> str:
    with open_package(source) as found:
        return found.version


@pytest.mark.parametrize(
    "source",
    [
        "oci_umoci",
        "oci_umoci:1.0.0",
        "oci_skopeo",
        "oci_skopeo:zstd:1.0.0",
        "oci_skopeo@sha256:3360af2d260864257ca3afe421dcbb68a0f486346131d259b2b8be8af5b07a84",
    ],
)
def test_layouts_of_other_programs(source: str, tmp_path: Path) -> None:
    workspace, _ = Workspace.init(tmp_path / "course", f"oci:{GOLDEN / source}")
    assert user_files(workspace.root) == {"tests/a.py": b"a\n", "tests/run": b"#!/bin/sh\n"}
    assert (workspace.root / "tests/run").stat().st_mode & 0o100
    assert not (workspace.root / "tests/a.py").stat().st_mode & 0o100


REFERENCES = {
    "course": Reference("course"),
    "/srv/my course": Reference("/srv/my course"),
    "course:1.0.0": Reference("course", "1.0.0"),
    "course:host:5000/course:1.0.0": Reference("course", "host:5000/course:1.0.0"),
    "course@home": Reference("course@home"),
    "course@home:1": Reference("course@home", "1"),
    f"course@{DIGEST}": Reference("course", None, DIGEST),
    f"me@home@{DIGEST}": Reference("me@home", None, DIGEST),
}


@pytest.mark.parametrize("text", REFERENCES)
def test_references(text: str) -> None:
    assert parse_reference(text) == REFERENCES[text]


@pytest.mark.parametrize(
    "text",
    ["", ":", ":1", "course:", f"@{DIGEST}", "course@sha256:", f"course@{DIGEST}0",
     f"course@{DIGEST.upper().replace('SHA', 'sha')}", f"course@sha512:{DIGEST[7:]}"],
)  # fmt: skip
def test_no_references(text: str) -> None:
    with pytest.raises(InputError, match=r"expected (oci:FOLDER|a digest)"):
        open_package(f"oci:{text}")


WORDS = st.text(min_size=1).filter(lambda one: "@" not in one)


@given(WORDS.filter(lambda one: ":" not in one), WORDS)
def test_a_tag_may_be_anything(folder: str, tag: str) -> None:
    assert parse_reference(f"{folder}:{tag}") == Reference(folder, tag)


def test_tags_choose(layout: LayoutFolder) -> None:
    first, second = artifact(layout, "1.0.0"), artifact(layout, "1.1.0")
    layout.index(**{"1_0_0": first, "1_1_0": second, "latest": second})
    assert version_of(f"oci:{layout.path}:1.0.0") == "1.0.0"
    assert version_of(f"oci:{layout.path}:latest") == "1.1.0"
    assert version_of(f"oci:{layout.path}@{first['digest']}") == "1.0.0"
    for source in (f"oci:{layout.path}", f"oci:{layout.path}:2.0.0"):
        with pytest.raises(InputError, match=r"'1\.0\.0', '1\.1\.0', 'latest'"):
            open_package(source)


def test_without_a_tag_the_only_one_that_has_tags_is_meant(layout: LayoutFolder) -> None:
    meant, signature = artifact(layout, "1.0.0"), layout.manifest([])
    layout.index(signature, latest=meant, stable=meant)
    assert version_of(f"oci:{layout.path}") == "1.0.0"
    layout.index(signature, artifact(layout, "1.1.0"))
    with pytest.raises(InputError, match=r"found 2; name one, oci:FOLDER@DIGEST, of 'sha256:"):
        open_package(f"oci:{layout.path}")
    layout.index()
    with pytest.raises(InputError, match="found 0"):
        open_package(f"oci:{layout.path}")


def test_what_is_neither_manifest_nor_index_is_passed_over(layout: LayoutFolder) -> None:
    strange = {"mediaType": "application/xml", "digest": "md5:0", "size": -1}
    layout.index(strange, artifact(layout, "1.0.0"))
    assert version_of(f"oci:{layout.path}") == "1.0.0"


def test_a_nested_index_of_one_manifest_is_that_manifest(layout: LayoutFolder) -> None:
    first, second = artifact(layout, "1.0.0"), artifact(layout, "1.1.0")
    one, two = layout.nested([first]), layout.nested([first, second])
    layout.index(one=one, two=two)
    assert version_of(f"oci:{layout.path}:one") == "1.0.0"
    assert version_of(f"oci:{layout.path}@{one['digest']}") == "1.0.0"
    with pytest.raises(InputError, match="has 2 manifests, for as many platforms"):
        open_package(f"oci:{layout.path}:two")
    assert version_of(f"oci:{layout.path}@{second['digest']}") == "1.1.0"


def test_an_empty_layer_is_passed_over(layout: LayoutFolder) -> None:
    text = layout.blob(MANIFEST, TAR, {TITLE: "sapwood-template.toml"})
    layout.index(layout.manifest([layout.blob(b"{}", EMPTY), text]))
    assert version_of(f"oci:{layout.path}") == "1.0.0"


def test_a_folder_named_like_a_layout_is_meant_by_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_template(tmp_path / "oci:course", "1.0.0", {})
    monkeypatch.chdir(tmp_path)
    assert version_of("./oci:course") == "1.0.0"
    with open_package(Path("oci:course")) as found:
        assert found.version == "1.0.0"


def test_links_on_the_way_to_a_layout_are_followed(layout: LayoutFolder, tmp_path: Path) -> None:
    layout.index(artifact(layout, "1.0.0"))
    (tmp_path / "link").symlink_to(layout.path)
    assert version_of(f"oci:{tmp_path / 'link'}") == "1.0.0"


@pytest.mark.parametrize("make", [one_tar, oras_files])
def test_a_second_look_hashes_nothing(
    make: Callable[[Path, Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, str | bytes] = {"tests/a": "1", "modules/b": "2", "data/c": "3", "empty": ""}
    source = make(write_template(tmp_path / "template", "1", files), tmp_path / "layout")
    workspace, _ = Workspace.init(tmp_path / "course", source)
    first = workspace.plan_update(source)
    monkeypatch.setattr(PackageFile, "canonical_hash", lambda file: pytest.fail(file.path))
    assert workspace.plan_update(source) == first


def test_what_is_remembered_of_a_layer_is_of_the_names_in_it(
    layout: LayoutFolder, tmp_path: Path
) -> None:
    both = write_files(tmp_path / "both", {"a/f": "of a", "b/f": "of b"})
    layer = layout.blob(gzip.compress(tar_of(both)), f"{TAR}+gzip")
    for top in ("a", "b"):
        text = layout.blob(MANIFEST, TAR, {TITLE: f"{top}/sapwood-template.toml"})
        layout.index(layout.manifest([layer, text]))
        stamps = Stamps(tmp_path / "stamps.json")
        with open_package(f"oci:{layout.path}") as found:
            identities = Template.of(found).identities(stamps)
            stamps.keep()
            assert identities["f"].hash == found.files["f"].canonical_hash()


def test_a_session_on_a_layout(layout: LayoutFolder, tmp_path: Path) -> None:
    session = Session(tmp_path)
    layers = []
    for version in ("1.0.0", "1.1.0"):
        folder = write_template(tmp_path / version, version, {"tests/a.py": f"{version}\n"})
        layer = layout.blob(gzip.compress(tar_of(folder)), f"{TAR}+gzip")
        layers.append(layout.manifest([layer]))
    layout.index(**{"1_0_0": layers[0], "1_1_0": layers[1]})
    session.succeed("workspace init oci:layout:1.0.0 course")
    check = "workspace update --folder course --check oci:layout"
    assert session.run(f"{check}:1.0.0").returncode == 0
    assert session.run(f"{check}:1.1.0").returncode == 20
    assert "'1.0.0', '1.1.0'" in session.fail(f"{check}:2.0.0", code=2)
    session.succeed("workspace update oci:layout:1.1.0 --folder course")
    assert user_files(tmp_path / "course") == {"tests/a.py": b"1.1.0\n"}
    layout.file_of(layers[1]).unlink()
    assert str(layers[1]["digest"])[7:] in session.fail(f"{check}:1.1.0", code=14)
