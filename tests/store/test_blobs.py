"""Blobs of a layout: read by what leads to them, compared before anything is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sapwood.errors import InvalidStore
from sapwood.store.oci import Layout, Reference
from support.oci_layouts import EMPTY, TITLE, LayoutFolder

pytestmark = pytest.mark.quick


@pytest.fixture
def layout(tmp_path: Path) -> LayoutFolder:
    return LayoutFolder(tmp_path / "layout")


def test_the_layers_of_an_artifact_in_their_order(layout: LayoutFolder) -> None:
    data = [bytes([number]) * number for number in range(5)]
    blobs = [layout.blob(one, "text/plain", {TITLE: f"file{len(one)}"}) for one in data]
    layout.index(latest=layout.manifest([*blobs, layout.blob(b"{}", EMPTY)]))
    opened = Layout(str(layout.path))
    *found, empty = opened.layers(Reference(str(layout.path), "latest"))
    assert [b"".join(opened.stripes(one)) for one in found] == data
    assert [one.annotations[TITLE] for one in found] == [f"file{n}" for n in range(5)]
    assert (empty.media_type, empty.size) == (EMPTY, 2)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1, (8 << 20) + 1])
def test_a_blob_is_read_up_to_its_end_before_it_is_told_from_another(
    algorithm: str, size: int, layout: LayoutFolder
) -> None:
    blob = layout.blob(bytes(size) + b"a", "text/plain", algorithm=algorithm)
    layout.index(layout.manifest([blob]))
    opened = Layout(str(layout.path))
    (layer,) = opened.layers(Reference(str(layout.path)))
    assert sum(map(len, opened.stripes(layer))) == size + 1
    with opened.opened(layer) as file:
        assert file.read() == bytes(size) + b"a"
    layout.file_of(blob).write_bytes(bytes(size) + b"b")
    with pytest.raises(InvalidStore, match="expected the content of"):
        list(opened.stripes(layer))
    with pytest.raises(InvalidStore, match="expected the content of"), opened.opened(layer):
        pytest.fail("it was handed out")
