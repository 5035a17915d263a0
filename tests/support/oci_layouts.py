"""OCI image layouts for tests, written by hand as the specification has them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from sapwood.content.zstd import compress
from sapwood.errors import InvalidPackage, SapwoodError
from sapwood.limits import ArchiveLimits
from sapwood.workspace import Workspace, open_package
from support.template_folders import user_files

TEMPLATE = b'schema = 1\nname = "course"\nversion = "1.0.0"\n'
Descriptor: TypeAlias = dict[str, Any]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
TAG = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"


class LayoutFolder:
    """A layout that grows.

    Attributes:
        path: path of the layout's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "blobs").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.index()

    def blob(
        self,
        data: bytes,
        media_type: str,
        notes: Mapping[str, str] | None = None,
        *,
        algorithm: str = "sha256",
    ) -> Descriptor:
        """Writes a blob."""
        encoded = hashlib.new(algorithm, data).hexdigest()
        folder = self.path / "blobs" / algorithm
        folder.mkdir(exist_ok=True)
        (folder / encoded).write_bytes(data)
        found: Descriptor = {
            "mediaType": media_type,
            "digest": f"{algorithm}:{encoded}",
            "size": len(data),
        }
        return {**found, "annotations": dict(notes)} if notes else found

    def json(self, value: object, media_type: str, **more: Any) -> Descriptor:
        """Writes a blob of JSON."""
        return self.blob(json.dumps(value).encode(), media_type, **more)

    def manifest(self, layers: Iterable[Descriptor], **more: Any) -> Descriptor:
        """Writes a manifest."""
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.course",
            "config": self.blob(b"{}", EMPTY),
            "layers": list(layers),
            **more,
        }
        return self.json(value, MANIFEST)

    def nested(self, manifests: Iterable[Descriptor]) -> Descriptor:
        """Writes an index into a blob."""
        return self.json({"schemaVersion": 2, "manifests": list(manifests)}, INDEX)

    def index(self, *entries: Descriptor, **tagged: Descriptor) -> None:
        """Writes index.json: what has tags (with _ for dots), and what has none."""
        named = [
            {**one, "annotations": {TAG: tag.replace("_", ".")}} for tag, one in tagged.items()
        ]
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*entries, *named]}
        (self.path / "index.json").write_text(json.dumps(value))

    def file_of(self, descriptor: Descriptor) -> Path:
        """Where a blob lies."""
        return self.path / "blobs" / str(descriptor["digest"]).replace(":", "/")


def tar_of(folder: Path, top: str = "", only: str = "") -> bytes:
    """A tar of the files below a folder whose paths begin with `only`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for one in sorted(folder.rglob("*")):
            path = one.relative_to(folder).as_posix()
            if path.startswith(only):
                archive.add(one, f"{top}{path}", recursive=False)
    return file.getvalue()


def one_tar(folder: Path, at: Path) -> str:
    """As umoci packs a folder: one layer, gzip."""
    layout = LayoutFolder(at)
    layer = layout.blob(gzip.compress(tar_of(folder)), f"{TAR}+gzip")
    layout.index(**{"1_0_0": layout.manifest([layer])})
    return f"oci:{at}:1.0.0"


def several_tars(folder: Path, at: Path) -> str:
    """Layers of their own for folders, by SHA-512, found through a nested index."""
    layout = LayoutFolder(at)
    tests = layout.blob(compress(tar_of(folder, "./", "tests"), 3), f"{TAR}+zstd")
    rest = [
        layout.blob(tar_of(folder, "", only), TAR, algorithm="sha512")
        for only in ("modules", "data", "empty", "sapwood")
    ]
    layout.index(layout.nested([layout.manifest([tests, *rest])]))
    return f"oci:{at}"


def oras_folder(folder: Path, at: Path) -> str:
    """As `oras push --oci-layout AT:1.0.0 course/`: names begin with the folder's."""
    layout = LayoutFolder(at)
    notes = {TITLE: "course", UNPACK: "true"}
    layer = layout.blob(gzip.compress(tar_of(folder, "course/")), f"{TAR}+gzip", notes)
    manifest = layout.manifest([layer])
    layout.index(**{"1_0_0": manifest})
    return f"oci:{at}@{manifest['digest']}"


def oras_files(folder: Path, at: Path) -> str:
    """As `oras push --oci-layout AT:1.0.0 sapwood-template.toml empty tests modules data`."""
    layout = LayoutFolder(at)
    layers = [
        layout.blob((folder / name).read_bytes(), TAR, {TITLE: name})
        for name in ("sapwood-template.toml", "empty")
    ]
    for name in ("tests", "modules", "data"):
        packed = gzip.compress(tar_of(folder, "", name))
        layers.append(layout.blob(packed, f"{TAR}+gzip", {TITLE: name, UNPACK: "true"}))
    layout.index(latest=layout.manifest(layers))
    return f"oci:{at}:latest"


def model_pack(folder: Path, at: Path) -> str:
    """As ModelPack's specification has it: a raw layer for each file, a tar for weights."""
    layout = LayoutFolder(at)
    layers = []
    for file in sorted(one for one in folder.rglob("*") if one.is_file()):
        path = file.relative_to(folder).as_posix()
        if not path.startswith("data"):
            metadata = {"name": path, "mode": file.stat().st_mode & 0o777, "typeflag": ord("0")}
            notes = {
                "org.cncf.model.filepath": path,
                "org.cncf.model.file.metadata+json": json.dumps(metadata),
            }
            media_type = "application/vnd.cncf.model.code.v1.raw"
            layers.append(layout.blob(file.read_bytes(), media_type, notes))
    data = gzip.compress(tar_of(folder, "", "data"))
    notes = {"org.cncf.model.filepath": "data/big.bin"}
    layers.append(layout.blob(data, "application/vnd.cncf.model.weight.v1.tar+gzip", notes))
    manifest = layout.manifest(layers, artifactType="application/vnd.cncf.model.manifest.v1+json")
    layout.index(manifest)
    return f"oci:{at}"


LAYOUTS = {
    "oci": one_tar,
    "oci in layers": several_tars,
    "oci of oras, a folder": oras_folder,
    "oci of oras, files": oras_files,
    "oci of ModelPack": model_pack,
}


def text_of(layout: LayoutFolder) -> Descriptor:
    """The layer of the template's own manifest."""
    return layout.blob(TEMPLATE, "text/plain", {TITLE: "sapwood-template.toml"})


def tar(*entries: tuple[str, bytes]) -> bytes:
    """A tar of files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def refused(
    layout: LayoutFolder,
    match: str,
    source: str = "",
    error: type[SapwoodError] | tuple[type[SapwoodError], ...] = InvalidPackage,
    limits: ArchiveLimits | None = None,
) -> None:
    """The template is refused, within other limits perhaps, and no workspace is begun."""
    root = layout.path.parent / "course"
    source = source or f"oci:{layout.path}"
    with pytest.raises(error, match=match):
        Workspace.init(root, source if limits is None else open_package(source, limits))
    assert user_files(root) == {}
    assert not (root / ".course/version.json").exists()


def with_layers(layout: LayoutFolder, *layers: Descriptor) -> None:
    """Makes an artifact of layers, and of the template's own manifest."""
    layout.index(layout.manifest([text_of(layout), *layers]))
