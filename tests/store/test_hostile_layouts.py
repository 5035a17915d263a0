"""Layouts from strangers: what lies in a blob, or leads to it, is refused if it lies."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sapwood.archives import tar_members
from sapwood.errors import InputError, InvalidPackage, InvalidStore
from sapwood.workspace import Workspace, open_package
from support import oci_layouts
from support.oci_layouts import (
    INDEX,
    TAG,
    TAR,
    TITLE,
    Descriptor,
    LayoutFolder,
    tar,
    text_of,
    with_layers,
)
from support.template_folders import user_files

pytestmark = pytest.mark.quick

refused = partial(oci_layouts.refused, error=InvalidStore)


@pytest.fixture
def layout(tmp_path: Path) -> LayoutFolder:
    return LayoutFolder(tmp_path / "layout")


def flipped(path: Path) -> None:
    """Another file of the same size."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def linked(path: Path) -> None:
    """The same content behind a link."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "another one": (flipped, "expected the content of sha256:|expected JSON"),
    "longer": (longer, "expected .*bytes"),
    "cut off": (cut_off, "expected .*bytes"),
    "missing": (Path.unlink, "expected a file of an OCI image layout, found none"),
    "a link": (linked, "found a link, folder or device"),
    "a pipe": (piped, "found a link, folder or device"),
    "a folder": (made_folder, "found a link, folder or device"),
}


@pytest.mark.parametrize("case", FAULTS)
@pytest.mark.parametrize("which", ["manifest", "tar", "file", "nested"])
def test_a_blob_that_is_not_what_it_should_be_is_refused(
    which: str, case: str, layout: LayoutFolder
) -> None:
    packed = layout.blob(gzip.compress(tar(("tests/a.py", b"a\n"))), f"{TAR}+gzip")
    plain = layout.blob(b"b\n", "text/plain", {TITLE: "tests/b.py"})
    manifest = layout.manifest([text_of(layout), packed, plain])
    nested = layout.nested([manifest])
    layout.index(nested)
    with open_package(f"oci:{layout.path}") as found:
        assert set(found.files) == {"tests/a.py", "tests/b.py"}
    blob = {"manifest": manifest, "tar": packed, "file": plain, "nested": nested}[which]
    spoil, match = FAULTS[case]
    spoil(layout.file_of(blob))
    refused(layout, f"{str(blob['digest'])[7:]}.*({match})")


@pytest.mark.parametrize("case", ["missing", "a link", "a pipe", "a folder"])
@pytest.mark.parametrize("which", ["oci-layout", "index.json"])
def test_a_layout_whose_own_files_are_none_is_refused(
    which: str, case: str, layout: LayoutFolder
) -> None:
    with_layers(layout)
    spoil, match = FAULTS[case]
    spoil(layout.path / which)
    refused(layout, f"{which}: .*{match}")


@pytest.mark.parametrize("which", ["blobs", "blobs/sha256"])
def test_folders_of_blobs_that_are_links_are_refused(which: str, layout: LayoutFolder) -> None:
    with_layers(layout)
    linked(layout.path / which)
    refused(layout, f"{which}: expected a folder, no link")


def test_a_file_that_changes_after_the_first_look_is_not_installed(layout: LayoutFolder) -> None:
    layer = layout.blob(b"b\n", "text/plain", {TITLE: "tests/b.py"})
    with_layers(layout)
    root = layout.path.parent / "course"
    workspace, _ = Workspace.init(root, f"oci:{layout.path}")
    with_layers(layout, layer)
    plan = workspace.plan_update(f"oci:{layout.path}")
    assert [one.path for one in plan.updates] == ["tests/b.py"]
    flipped(layout.file_of(layer))  # of which the workspace remembers the hash
    assert workspace.plan_update(f"oci:{layout.path}") == plan
    with pytest.raises(InvalidStore, match="expected the content of"):
        workspace.update(f"oci:{layout.path}")
    assert user_files(root) == {}


def test_a_layer_that_is_written_to_while_it_is_read_is_refused(
    layout: LayoutFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layout.blob(tar(("a", b"1")), TAR)
    with_layers(layout, layer)

    def meanwhile(*arguments: Any) -> Any:
        layout.file_of(layer).write_bytes(tar(("a", b"2")))
        return tar_members(*arguments)

    monkeypatch.setattr("sapwood.package.artifacts.tar_members", meanwhile)
    refused(layout, "changed while it was read")


def changed(**fields: Any) -> Callable[[Descriptor], Descriptor]:
    return lambda descriptor: {**descriptor, **fields}


def without(name: str) -> Callable[[Descriptor], Descriptor]:
    return lambda descriptor: {key: one for key, one in descriptor.items() if key != name}


DESCRIPTORS: dict[str, tuple[Callable[[Descriptor], Descriptor], str]] = {
    "a digest that leads away": (changed(digest="sha256:../../../../etc/passwd"), "digest"),
    "a digest in capitals": (changed(digest="sha256:" + "A" * 64), "digest"),
    "a digest cut short": (changed(digest="sha256:" + "a" * 63), "digest"),
    "a digest of MD5": (changed(digest="md5:" + "a" * 32), "sha256 or sha512"),
    "a digest that leads away by its algorithm": (changed(digest="..:" + "a" * 64), "digest"),
    "no digest": (without("digest"), "digest"),
    "a number for a digest": (changed(digest=5), "digest"),
    "a blob that is not there": (changed(digest="sha256:" + "a" * 64), "a" * 64),
    "an algorithm of which nothing is there": (changed(digest="sha512:" + "a" * 128), "sha512"),
    "a smaller size": (changed(size=1), "expected 1 bytes"),
    "a larger size": (changed(size=1 << 20), "expected 1048576 bytes"),
    "a size that no file has": (changed(size=1 << 70), "64 bits"),
    "a negative size": (changed(size=-1), "size"),
    "a size with a point": (changed(size=5.0), "size"),
    "true for a size": (changed(size=True), "size"),
    "no size": (without("size"), "size"),
}


@pytest.mark.parametrize("which", ["manifest", "layer"])
@pytest.mark.parametrize("case", DESCRIPTORS)
def test_descriptors_that_lie_are_refused(case: str, which: str, layout: LayoutFolder) -> None:
    change, match = DESCRIPTORS[case]
    layer = layout.blob(gzip.compress(tar(("tests/a.py", b"a\n"))), f"{TAR}+gzip")
    if which == "layer":
        with_layers(layout, change(layer))
    else:
        layout.index(change(layout.manifest([text_of(layout), layer])))
    refused(layout, match)


def test_sizes_without_end_are_refused(layout: LayoutFolder) -> None:
    endless = changed(size=1 << 62)
    with_layers(layout, endless(layout.blob(tar(("a", b"1")), TAR)))
    oci_layouts.refused(layout, "at most", error=InvalidPackage)
    layout.index(endless(layout.manifest([text_of(layout)])))
    refused(layout, "at most")


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no usable JSON"),
    "no text": (b"\xff\xfe\xfd", "no usable JSON"),
    "a list": (b"[]", "expected named fields, found a list"),
    "deep nesting": (b"[" * 100_000, "no usable JSON"),
    "a key twice": (b'{"schemaVersion": 2, "schemaVersion": 2}', "'schemaVersion' occurs twice"),
    "not a number": (b'{"schemaVersion": NaN}', "NaN is no JSON number"),
    "a million objects": (b"[" + b"{}," * 1_000_000 + b"{}]", "bytes in memory"),
    "a number without end": (b'{"schemaVersion": ' + b"1" * 100_000 + b"}", "no usable JSON"),
    "too large": (b" " * ((4 << 20) + 1), "at most 4194304 bytes"),
    "an empty object": (b"{}", "schemaVersion"),
    "another schema": (b'{"schemaVersion": 1, "manifests": [], "layers": []}', "expected"),
    "a number for a list": (b'{"schemaVersion": 2, "manifests": 5}', "expected"),
    "a list of numbers": (b'{"schemaVersion": 2, "manifests": [5]}', "expected"),
    "manifest and index at once": (
        b'{"schemaVersion": 2, "manifests": [], "layers": []}',
        "which has none",
    ),
    "another type": (
        b'{"schemaVersion": 2, "mediaType": "text/html", "manifests": [], "x": []}',
        "expected application",
    ),
    "notes that are a list": (
        b'{"schemaVersion": 2, "manifests": [{"mediaType": "%s", "size": 0, "digest": '
        b'"sha256:%s", "annotations": []}]}' % (INDEX.encode(), b"a" * 64),
        "annotations",
    ),
    "a note that is a number": (
        b'{"schemaVersion": 2, "manifests": [{"mediaType": "%s", "size": 0, "digest": '
        b'"sha256:%s", "annotations": {"%s": 5}}]}' % (INDEX.encode(), b"a" * 64, TAG.encode()),
        "annotations",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_indexes_that_are_none_are_refused(case: str, layout: LayoutFolder) -> None:
    data, match = DOCUMENTS[case]
    (layout.path / "index.json").write_bytes(data)
    refused(layout, f"index.json.*{match}")
    layout.index(nested := layout.blob(data, INDEX))
    refused(layout, match)
    refused(layout, f"{match}|expected", f"oci:{layout.path}@{nested['digest']}")


def test_a_later_layout_is_refused(layout: LayoutFolder) -> None:
    with_layers(layout)
    (layout.path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    refused(layout, "expected 1.0.0, found '2.0.0'")


def test_an_index_in_a_nested_index_is_refused(layout: LayoutFolder) -> None:
    inner = layout.nested([layout.manifest([text_of(layout)])])
    layout.index(layout.nested([inner]))
    refused(layout, "an index in an index")


def test_a_manifest_under_the_name_of_an_index_is_refused(layout: LayoutFolder) -> None:
    manifest = layout.manifest([text_of(layout)])
    layout.index({**manifest, "mediaType": INDEX})
    refused(layout, "which has none")


def test_a_tag_of_two_is_refused(layout: LayoutFolder) -> None:
    notes = {"annotations": {TAG: "latest"}}
    first, second = layout.manifest([text_of(layout)]), layout.manifest([])
    layout.index({**first, **notes}, {**second, **notes})
    refused(layout, "expected one artifact of the tag 'latest'", f"oci:{layout.path}:latest")


def test_an_archive_of_a_layout_is_not_one(layout: LayoutFolder) -> None:
    path = layout.path.parent / "layout.tar"
    path.write_bytes(tar(("oci-layout", b"{}")))
    refused(layout, "has to be unpacked first", f"oci:{path}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(INDEX),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["schemaVersion", "mediaType", "manifests", "layers", "digest", "size"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(VALUES, VALUES)
def test_whatever_is_in_the_documents(
    tmp_path_factory: pytest.TempPathFactory, index: object, manifest: object
) -> None:
    layout = LayoutFolder(tmp_path_factory.mktemp("layouts") / "layout")
    sources = [f"oci:{layout.path}"]
    for value in (index, manifest):
        descriptor = layout.json(value, INDEX)
        layout.index(descriptor)
        sources.append(f"oci:{layout.path}@{descriptor['digest']}")
    for source in sources:
        with contextlib.suppress(InvalidStore, InvalidPackage, InputError):
            open_package(source)
    (layout.path / "index.json").write_text(json.dumps(index))
    with contextlib.suppress(InvalidStore, InvalidPackage, InputError):
        open_package(sources[0])
