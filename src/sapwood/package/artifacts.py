"""Packages that are OCI artifacts: what their layers hold, put together.

A layer is a tar of files or one file. Layers of other kinds, and those that remove what an
earlier one holds, are refused: a package is a set of files, not a history of them.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import IO

from sapwood.archives import Member, MemberKind, tar_members, unpacked
from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPackage
from sapwood.files.positions import OpenFile
from sapwood.files.stamps import stamp_of_name
from sapwood.limits import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits
from sapwood.package.archives import PackedFile, files_beside, invalid_archive, packed_file
from sapwood.package.package import Package, located
from sapwood.store.oci import OCI, Descriptor, Layout, parse_reference

EMPTY = "application/vnd.oci.empty.v1+json"  # stands where an artifact has no layer
OCI_TAR = re.compile(r"application/vnd\.oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?")
# ModelPack: github.com/modelpack/model-spec, docs/spec.md and docs/annotations.md.
MODEL_TAR = re.compile(r"application/vnd\.cncf\.model\.[a-z.]+\.v1\.tar(?:\+gzip|\+zstd)?")
MODEL_FILE = re.compile(r"application/vnd\.cncf\.model\.[a-z.]+\.v1\.raw")
MODEL_PATH = "org.cncf.model.filepath"
MODEL_METADATA = "org.cncf.model.file.metadata+json"
# oras has these for files, whose media types are anything, and for folders, which it packs.
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"
WHITEOUT = ".wh."  # begins the name of an entry that removes another one
FILE_TYPES = (0, ord("0"))  # of a tar's entries, as ModelPack notes them


def layout_package(text: str, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> Package:
    """The package that is an artifact in an OCI image layout.

    Args:
        text: `FOLDER`, `FOLDER:TAG` or `FOLDER@sha256:…`.
        limits: how much is allowed, in all layers and in the package.

    Raises:
        InputError: the text names no artifact, or several.
        InvalidPackage: what the layers hold is damaged or hostile.
        InvalidStore: the layout is damaged, or a part of it is missing.
        OSError: the layout cannot be read.
    """
    reference = parse_reference(text)
    with located(f"{OCI}{text}"), contextlib.ExitStack() as opened:
        layout = Layout(reference.folder)
        layers = layout.layers(reference)
        spool = opened.enter_context(tempfile.TemporaryFile())
        files = files_beside(_files_of(layout, layers, spool, limits))
        close = opened.pop_all().close
        return Package({one.path: one for one in files}, close, limits)


def _files_of(
    layout: Layout, layers: Sequence[Descriptor], spool: IO[bytes], limits: ArchiveLimits
) -> list[PackedFile]:
    """The files of all layers.

    Args:
        layout: the layout that the layers lie in.
        layers: all layers of the artifact.
        spool: a temporary file that takes the files of tars.
        limits: how much is allowed in all layers.
    """
    total = sum(one.size for one in layers)
    if total > limits.size or len(layers) > limits.entries:
        raise InvalidPackage(
            f"expected at most {limits.entries} layers of {limits.size} bytes in all, found "
            f"{len(layers)} of {total}"
        )
    files: list[PackedFile] = []
    for layer in layers:
        if layer.media_type == EMPTY:
            continue
        with located(f"layer {layer.digest}"):
            path = _path_of(layer)
            if path is None:
                files += _unpacked_layer(layout, layer, spool, limits, len(files))
            else:
                files.append(_file_layer(layout, layer, path))
            if len(files) > limits.entries:
                raise InvalidPackage(f"expected at most {limits.entries} files, found more")
    return files


def _path_of(layer: Descriptor) -> str | None:
    """The path of the only file that a layer is; None if it is a tar.

    Raises:
        InvalidPackage: it is neither.
    """
    if MODEL_FILE.fullmatch(layer.media_type):
        if MODEL_PATH not in layer.annotations:
            raise InvalidPackage(f"expected the annotation {MODEL_PATH}, found none")
        return layer.annotations[MODEL_PATH]
    if MODEL_TAR.fullmatch(layer.media_type) or layer.annotations.get(UNPACK) == "true":
        return None
    # oras calls files application/vnd.oci.image.layer.v1.tar, unless it is told otherwise.
    if TITLE in layer.annotations:
        return layer.annotations[TITLE]
    if OCI_TAR.fullmatch(layer.media_type):
        return None
    raise InvalidPackage(
        f"expected a tar of OCI or ModelPack, or a file with the annotation {TITLE}; found "
        f"{layer.media_type!r:.120}"
    )


def _file_layer(layout: Layout, layer: Descriptor, path: str) -> PackedFile:
    """The file that a layer is. It is read, and verified, when it is used."""
    layout.path_of(layer)
    mode, kind = 0, FILE_TYPES[0]
    if MODEL_METADATA in layer.annotations:
        value = parse(layer.annotations[MODEL_METADATA].encode(), MODEL_METADATA, InvalidPackage)
        table = Fields(value, MODEL_METADATA, InvalidPackage)
        mode = table.size("mode")
        kind = table.optional_size("typeflag") or kind
    member = Member(
        name=path,
        size=layer.size,
        mode=mode,
        kind=MemberKind.FILE if kind in FILE_TYPES else MemberKind.OTHER,
        stripes=partial(layout.stripes, layer),
    )
    return packed_file(member, path, stamp_of_name(f"{layer.digest} {path}", layer.size))


def _unpacked_layer(
    layout: Layout, layer: Descriptor, spool: IO[bytes], limits: ArchiveLimits, already: int
) -> list[PackedFile]:
    """The files of a layer that is a tar.

    Args:
        layout: the layout that the layer lies in.
        layer: the layer, whose first bytes tell whether it is packed.
        spool: a temporary file that takes the files.
        limits: how much is allowed in all layers.
        already: number of entries of other layers.
    """
    fault = partial(invalid_archive, "its content")
    files = []
    with layout.opened(layer) as file:
        content = OpenFile(file.fileno(), layer.digest)
        stripes = unpacked(content, limits.window, fault)
        for member in tar_members(stripes, spool, limits, fault, already):
            path = member.name.removeprefix("./")  # of `tar -C folder .`
            if path.rpartition("/")[2].startswith(WHITEOUT):
                raise InvalidPackage(
                    f"{path!r:.120} removes a file of an earlier layer, as in images of "
                    "containers; pack it anew, in one layer"
                )
            stamp = stamp_of_name(f"{layer.digest} {path}", member.size)
            files.append(packed_file(member, path, stamp))
    return files
