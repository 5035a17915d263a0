"""Layers from strangers: each of these is refused, and nothing is written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sapwood.errors import InvalidPackage, InvalidStore
from sapwood.limits import ArchiveLimits
from support.hostile_packages import CLASHES, PATHS, TAR_KINDS, TARS, entry
from support.oci_layouts import TAR, TITLE, UNPACK, LayoutFolder, refused, tar, with_layers

pytestmark = pytest.mark.quick

MODEL = "application/vnd.cncf.model.code.v1"
FILEPATH = "org.cncf.model.filepath"
METADATA = "org.cncf.model.file.metadata+json"


@pytest.fixture
def layout(tmp_path: Path) -> LayoutFolder:
    return LayoutFolder(tmp_path / "layout")


@pytest.mark.parametrize("case", PATHS)
def test_paths_are_refused(case: str, layout: LayoutFolder) -> None:
    path = PATHS[case]
    if "\0" not in path:
        with_layers(layout, layout.blob(gzip.compress(tar((path, b"evil"))), f"{TAR}+gzip"))
        if path != "./evil.py":  # which is evil.py, and harmless
            refused(layout, "^oci:")
    # Half a surrogate pair is no text of a descriptor at all.
    errors = (InvalidPackage, InvalidStore)
    with_layers(layout, layout.blob(b"evil", "text/plain", {TITLE: path}))
    refused(layout, "^oci:", error=errors)
    with_layers(layout, layout.blob(b"evil", f"{MODEL}.raw", {FILEPATH: path}))
    refused(layout, "^oci:", error=errors)


@pytest.mark.parametrize("case", CLASHES)
def test_paths_of_layers_that_clash_are_refused(case: str, layout: LayoutFolder) -> None:
    one, two = CLASHES[case]
    first = layout.blob(tar((one, b"1")), TAR)
    with_layers(layout, first, layout.blob(b"2", "text/plain", {TITLE: two}))
    refused(layout, "cannot both be files")


def test_a_path_in_two_layers_is_refused(layout: LayoutFolder) -> None:
    first = layout.blob(tar(("./a.py", b"1")), TAR)
    for second in (
        layout.blob(tar(("a.py", b"2")), TAR),
        layout.blob(b"2", "text/plain", {TITLE: "a.py"}),
        first,
    ):
        with_layers(layout, first, second)
        refused(layout, "twice")


@pytest.mark.parametrize("name", ["tests/.wh.a.py", ".wh..wh..opq", "tests/.wh..wh..opq"])
def test_a_layer_that_removes_something_is_refused(name: str, layout: LayoutFolder) -> None:
    with_layers(layout, layout.blob(tar((name, b"")), TAR))
    refused(layout, "removes a file of an earlier layer.*in one layer")


@pytest.mark.parametrize("case", TAR_KINDS)
def test_a_layer_with_anything_but_files_is_refused(case: str, layout: LayoutFolder) -> None:
    with_layers(layout, layout.blob(entry(TAR_KINDS[case], b"", "tests/a.py"), TAR))
    refused(layout, "link or device")


@pytest.mark.parametrize("case", TARS)
def test_a_layer_that_asks_for_memory_or_disk_is_refused(case: str, layout: LayoutFolder) -> None:
    entries, match = TARS[case]
    with_layers(layout, layout.blob(gzip.compress(entries), f"{TAR}+gzip"))
    refused(layout, f"layer sha256:[0-9a-f]*: its content: .*({match})")


LAYERS: dict[str, tuple[str, dict[str, str], str]] = {
    "a type that nobody knows": ("application/x-course", {}, "found 'application/x-course'"),
    "Docker's": ("application/vnd.docker.image.rootfs.diff.tar.gzip", {}, "docker"),
    "one that steers a terminal": ("\x1b[2J", {}, r"found '\\x1b\[2J'"),
    "no tar": (TAR, {}, "damaged header"),
    "no tar, though it says so": ("text/plain", {TITLE: "a", UNPACK: "true"}, "damaged header"),
    "ModelPack's, without a path": (f"{MODEL}.raw", {TITLE: "a"}, FILEPATH),
    "metadata that are no JSON": (f"{MODEL}.raw", {FILEPATH: "a", METADATA: "{"}, "JSON"),
    "metadata that nest": (f"{MODEL}.raw", {FILEPATH: "a", METADATA: "[" * 100_000}, "JSON"),
    "metadata without a mode": (f"{MODEL}.raw", {FILEPATH: "a", METADATA: "{}"}, "mode"),
    "a link of ModelPack": (
        f"{MODEL}.raw",
        {FILEPATH: "a", METADATA: '{"mode": 511, "typeflag": 50}'},
        "link or device",
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_of_other_kinds_are_refused(case: str, layout: LayoutFolder) -> None:
    media_type, notes, match = LAYERS[case]
    with_layers(layout, layout.blob(b"content" * 100, media_type, notes))
    refused(layout, match)


def test_an_image_without_a_template_is_refused(layout: LayoutFolder) -> None:
    layout.index(layout.manifest([layout.blob(tar(("etc/passwd", b"root")), TAR)]))
    refused(layout, "expected one sapwood-template.toml")


def test_too_many_files_in_all_layers_are_refused(layout: LayoutFolder) -> None:
    limits = ArchiveLimits(entries=3)
    names = [f"file{number}" for number in range(3)]
    one = layout.blob(tar(*((name, b"") for name in names[:2])), TAR)
    with_layers(layout, one, layout.blob(tar((names[2], b"")), TAR))
    refused(layout, "at most 3 entries", limits=limits)
    with_layers(layout, one, layout.blob(b"", "text/plain", {TITLE: names[2]}))
    refused(layout, "at most 3 files", limits=limits)


def test_too_many_layers_and_bytes_are_refused(layout: LayoutFolder) -> None:
    layer = layout.blob(b"", "text/plain", {TITLE: "a"})
    with_layers(layout, layer, layer)
    refused(layout, "at most 2 layers", limits=ArchiveLimits(entries=2))
    with_layers(layout, layout.blob(bytes(60), "text/plain", {TITLE: "a"}))
    refused(layout, "at most 2 layers of 100 bytes", limits=ArchiveLimits(entries=2, size=100))


def test_tars_of_all_layers_share_one_bound(layout: LayoutFolder) -> None:
    packed = [gzip.compress(tar((f"file{number}", bytes(4000)))) for number in range(3)]
    with_layers(layout, *(layout.blob(one, f"{TAR}+gzip") for one in packed))
    refused(layout, "at most 10000 bytes", limits=ArchiveLimits(size=10_000))
