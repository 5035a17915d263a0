"""OCI image layouts: folders of blobs, each known by its digest.

The form in which oras, skopeo and others write artifacts to disk, specified in
image-layout.md of github.com/opencontainers/image-spec. A blob is compared with the size
and digest that lead to it before anything is made of it. Links are refused, nothing is
downloaded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.errors import InputError, InvalidStore
from sapwood.files.paths import is_folder, resolved
from sapwood.files.reading import NOT_FOLLOWED, STRIPE, Stripes, read_stripes, read_whole
from sapwood.files.stamps import stamp_of
from sapwood.store.oci.descriptors import (
    INDEX,
    MANIFEST,
    OCI,
    Descriptor,
    Reference,
    check_kind,
    choose_descriptor,
    descriptors_in,
    few_names,
    parse_descriptor,
)

VERSION = "1.0.0"  # of layouts; the only one that there is
MOST_JSON = 4 << 20  # bytes of an index or a manifest, as registries have it
MOST_PARSED = 64 << 20  # bytes of memory of its values; those of true ones take 4 times its own
REMEDY = "copy the layout anew"


class Layout:
    """A layout on disk.

    Attributes:
        folder: the layout's folder, with links on the way to it resolved.
    """

    def __init__(self, folder: str) -> None:
        """Opens a layout.

        Args:
            folder: path of the layout's folder.

        Raises:
            InvalidStore: the folder is no layout.
            OSError: it cannot be read.
        """
        self.folder = resolved(folder)
        header = self._document("oci-layout", _read_document(self.folder / "oci-layout"))
        version = header.text("imageLayoutVersion")
        if version != VERSION:
            raise header.fail("imageLayoutVersion", f"expected {VERSION}, found {version!r:.40}")
        if not is_folder(self.folder / "blobs"):
            raise InvalidStore(f"{self.folder / 'blobs'}: expected a folder, no link; {REMEDY}")

    def layers(self, reference: Reference) -> list[Descriptor]:
        """The layers of an artifact, by its manifest.

        Raises:
            InputError: the reference does not name one artifact.
            InvalidStore: a part of the layout is damaged or missing.
            OSError: a part cannot be read.
        """
        if reference.digest is None:
            index = self._document("index.json", _read_document(self.folder / "index.json"))
            check_kind(index, INDEX)
            found = self._manifest(choose_descriptor(descriptors_in(index), reference, self.folder))
        else:
            found = self._manifest(Descriptor("", reference.digest, -1, {}))
        if "manifests" in found:
            found = self._manifest(self._only(found))
            if "manifests" in found:
                raise found.fail("manifests", "an index in an index; expected a manifest")
        return [parse_descriptor(one) for one in found.objects("layers")]

    def _only(self, index: Fields) -> Descriptor:
        """The only manifest of an index that lies in a blob."""
        found = {one.digest: one for one in descriptors_in(index)}
        if len(found) != 1:
            raise InputError(
                f"{OCI}{self.folder}: {index.where} has {len(found)} manifests, for as many "
                f"platforms; name one, {OCI}{self.folder}@DIGEST, of {few_names(found)}"
            )
        return next(iter(found.values()))

    def _manifest(self, blob: Descriptor) -> Fields:
        """A manifest, or an index, that lies in a blob.

        Args:
            blob: the descriptor of the blob, perhaps with no more than its digest.
        """
        if blob.size > MOST_JSON:
            raise InvalidStore(
                f"{blob.digest}: expected a manifest of at most {MOST_JSON} bytes, found "
                f"{blob.size}"
            )
        path = self.path_of(blob)
        data = _read_document(path)
        whole = blob if blob.size >= 0 else dataclasses.replace(blob, size=len(data))
        table = self._document(blob.digest, b"".join(_verified(path, whole, [data])))
        check_kind(table, blob.media_type or (INDEX if "manifests" in table else MANIFEST))
        return table

    def _document(self, name: str, data: bytes) -> Fields:
        """The object that a document of JSON is."""
        value = parse(data, name, InvalidStore, remedy=REMEDY, most=MOST_PARSED)
        return Fields(value, name, InvalidStore, remedy=REMEDY)

    def path_of(self, blob: Descriptor) -> Path:
        """The path of a blob's file.

        Raises:
            InvalidStore: the blob is not there, no regular file, or of another size.
            OSError: it cannot be looked at.
        """
        algorithm, _, encoded = blob.digest.partition(":")
        folder = self.folder / "blobs" / algorithm
        path = folder / encoded
        if not is_folder(folder):
            raise InvalidStore(f"{folder}: expected a folder, no link; {REMEDY}")
        size = _regular(path).st_size
        if blob.size not in {-1, size}:
            raise InvalidStore(f"{path}: expected {blob.size} bytes, found {size}; {REMEDY}")
        return path

    def stripes(self, blob: Descriptor) -> Stripes:
        """The bytes of a blob, in parts, which raise at the end if they were another one's.

        Raises:
            InvalidStore: the blob is not there, no regular file, of another size or another
                digest.
            OSError: it cannot be read.
        """
        path = self.path_of(blob)
        with contextlib.closing(read_stripes(path)) as stripes:
            yield from _verified(path, blob, stripes)

    @contextlib.contextmanager
    def opened(self, blob: Descriptor) -> Iterator[IO[bytes]]:
        """A blob that has its digest, open at its beginning.

        Raises:
            InvalidStore: the blob is not there, no regular file, of another size or another
                digest, or it was written to meanwhile.
            OSError: it cannot be read.
        """
        path = self.path_of(blob)
        handle = os.open(path, os.O_RDONLY | NOT_FOLLOWED)
        with os.fdopen(handle, "rb") as file:
            before = stamp_of(os.fstat(file.fileno()))
            for _ in _verified(path, blob, iter(lambda: file.read(STRIPE), b"")):
                pass
            file.seek(0)
            yield file
            if stamp_of(os.fstat(file.fileno())) != before:
                raise InvalidStore(f"{path}: changed while it was read; try again")


def _regular(path: Path) -> os.stat_result:
    """What the system says of a file of a layout.

    Raises:
        InvalidStore: the file is not there, or no regular file.
        OSError: it cannot be looked at.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as e:
        raise InvalidStore(
            f"{path}: expected a file of an OCI image layout, found none; {REMEDY}, "
            "as a whole (an archive of one has to be unpacked first)"
        ) from e
    if not stat.S_ISREG(status.st_mode):
        raise InvalidStore(
            f"{path}: expected a file, found a link, folder or device; put a copy in its place"
        )
    return status


def _read_document(path: Path) -> bytes:
    """The bytes of a file that is to hold JSON.

    Raises:
        InvalidStore: the file is not there, no regular file, or too large.
        OSError: it cannot be read.
    """
    _regular(path)
    data = read_whole(path, MOST_JSON)
    if data is None:
        raise InvalidStore(f"{path}: expected at most {MOST_JSON} bytes, found more")
    return data


def _verified(path: Path, blob: Descriptor, stripes: Iterable[bytes]) -> Stripes:
    """The bytes of a blob, passed on, never more of them than it may have.

    Args:
        path: the path of the blob's file, for errors.
        blob: the blob's descriptor, with its size.
        stripes: the bytes as they are read.

    Raises:
        InvalidStore: at the end, if the bytes were not those of the digest.
    """
    algorithm, _, encoded = blob.digest.partition(":")
    total, left = hashlib.new(algorithm), blob.size
    for stripe in stripes:
        left -= len(stripe)
        if left < 0:
            break
        total.update(stripe)
        yield stripe
    if left != 0 or total.hexdigest() != encoded:
        raise InvalidStore(
            f"{path}: expected the content of {blob.digest}, found another; {REMEDY}"
        )
