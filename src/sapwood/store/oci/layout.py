"""OCI image layouts: folders of blobs, each known by its digest.

The form in which oras, skopeo and others write artifacts to disk, specified in
image-layout.md of github.com/opencontainers/image-spec. A blob is compared with the size
and digest that lead to it before anything is made of it. Links are refused, nothing is
downloaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from sapwood.documents.fields import Table
from sapwood.errors import InputError, InvalidTemplate
from sapwood.files.paths import is_folder, resolved
from sapwood.files.reading import NOT_FOLLOWED, STRIPE, Stripes, read_stripes, read_whole
from sapwood.files.stamps import stamp_of
from sapwood.store.oci.descriptors import (
    INDEX,
    LAYOUT,
    MANIFEST,
    Blob,
    Reference,
    blob_of,
    check_kind,
    chosen,
    descriptors,
    named,
)

VERSION = "1.0.0"  # of layouts; the only one that there is
MOST_JSON = 4 << 20  # bytes of an index or a manifest, as registries have it


class Layout:
    """A layout on disk.

    Attributes:
        folder: of it, with links on the way to it resolved.
    """

    def __init__(self, folder: str) -> None:
        """Opens a layout.

        Args:
            folder: of it.

        Raises:
            InvalidTemplate: it is none.
            OSError: it cannot be read.
        """
        self.folder = resolved(folder)
        header = self._document("oci-layout", read_document(self.folder / "oci-layout"))
        version = header.text("imageLayoutVersion")
        if version != VERSION:
            raise header.fail("imageLayoutVersion", f"expected {VERSION}, found {version!r:.40}")
        if not is_folder(self.folder / "blobs"):
            raise InvalidTemplate(
                f"{self.folder / 'blobs'}: expected a folder, no link; copy the layout anew"
            )

    def layers(self, reference: Reference) -> list[Blob]:
        """The layers of an artifact, by its manifest.

        Raises:
            InputError: the reference does not name one artifact.
            InvalidTemplate: something is damaged or missing.
            OSError: it cannot be read.
        """
        if reference.digest is None:
            index = self._document("index.json", read_document(self.folder / "index.json"))
            check_kind(index, INDEX)
            found = self._manifest(chosen(descriptors(index), reference, self.folder))
        else:
            found = self._manifest(Blob("", reference.digest, -1, {}))
        if "manifests" in found:
            found = self._manifest(self._only(found))
            if "manifests" in found:
                raise found.fail("manifests", "an index in an index; expected a manifest")
        return [blob_of(one) for one in found.tables("layers")]

    def _only(self, index: Table) -> Blob:
        """The only manifest of an index that lies in a blob."""
        found = {one.digest: one for one in descriptors(index)}
        if len(found) != 1:
            raise InputError(
                f"{LAYOUT}{self.folder}: {index.where} has {len(found)} manifests; a template is "
                f"the same for every platform: name one, {LAYOUT}{self.folder}@DIGEST, of "
                f"{named(found)}"
            )
        return next(iter(found.values()))

    def _manifest(self, blob: Blob) -> Table:
        """A manifest, or an index, that lies in a blob.

        Args:
            blob: its size is negative, and its type empty, where only its digest is known.
        """
        if blob.size > MOST_JSON:
            raise InvalidTemplate(
                f"{blob.digest}: expected a manifest of at most {MOST_JSON} bytes, found "
                f"{blob.size}"
            )
        path = self.path_of(blob)
        data = read_document(path)
        if not matches(blob, data):
            raise InvalidTemplate(damage(path, blob))
        table = self._document(blob.digest, data)
        check_kind(table, blob.media_type or (INDEX if "manifests" in table else MANIFEST))
        return table

    def _document(self, name: str, data: bytes) -> Table:
        """An object of JSON."""
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as e:
            raise InvalidTemplate(f"{name}: expected JSON: {e}; copy the layout anew") from e
        return Table(value, name, InvalidTemplate)

    def path_of(self, blob: Blob) -> Path:
        """Where a blob lies.

        Raises:
            InvalidTemplate: it is not there, no regular file, or of another size.
            OSError: it cannot be looked at.
        """
        algorithm, _, encoded = blob.digest.partition(":")
        folder = self.folder / "blobs" / algorithm
        path = folder / encoded
        if not is_folder(folder):
            raise InvalidTemplate(f"{folder}: expected a folder, no link; copy the layout anew")
        size = regular(path).st_size
        if blob.size not in {-1, size}:
            raise InvalidTemplate(
                f"{path}: expected {blob.size} bytes, found {size}; copy the layout anew"
            )
        return path

    def stripes(self, blob: Blob) -> Stripes:
        """Reads a blob; raises at the end if it was another one.

        Raises:
            InvalidTemplate, OSError: as `path_of`; or it has another digest.
        """
        path = self.path_of(blob)
        with contextlib.closing(read_stripes(path)) as stripes:
            yield from verified(path, blob, stripes)

    @contextlib.contextmanager
    def opened(self, blob: Blob) -> Iterator[IO[bytes]]:
        """A blob that has its digest, open at its beginning.

        Raises:
            InvalidTemplate, OSError: as `stripes`; or it was written to meanwhile.
        """
        path = self.path_of(blob)
        handle = os.open(path, os.O_RDONLY | NOT_FOLLOWED)
        with os.fdopen(handle, "rb") as file:
            before = stamp_of(os.fstat(file.fileno()))
            for _ in verified(path, blob, iter(lambda: file.read(STRIPE), b"")):
                pass
            file.seek(0)
            yield file
            if stamp_of(os.fstat(file.fileno())) != before:
                raise InvalidTemplate(f"{path}: changed while it was read; try again")


def regular(path: Path) -> os.stat_result:
    """What the system says of a file of a layout.

    Raises:
        InvalidTemplate: it is not there, or no regular file.
        OSError: it cannot be looked at.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as e:
        raise InvalidTemplate(
            f"{path}: expected a file of an OCI image layout, found none; copy the layout anew, "
            "as a whole (an archive of one has to be unpacked first)"
        ) from e
    if not stat.S_ISREG(status.st_mode):
        raise InvalidTemplate(
            f"{path}: expected a file, found a link, folder or device; put a copy in its place"
        )
    return status


def read_document(path: Path) -> bytes:
    """The bytes of a file that is to hold JSON.

    Raises:
        InvalidTemplate: it is not there, no regular file, or too large.
        OSError: it cannot be read.
    """
    regular(path)
    data = read_whole(path, MOST_JSON)
    if data is None:
        raise InvalidTemplate(f"{path}: expected at most {MOST_JSON} bytes, found more")
    return data


def verified(path: Path, blob: Blob, stripes: Iterable[bytes]) -> Stripes:
    """Passes the bytes of a blob on, never more than it may have.

    Raises:
        InvalidTemplate: at the end, if they were not those of the digest.
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
        raise InvalidTemplate(damage(path, blob))


def matches(blob: Blob, data: bytes) -> bool:
    """Whether bytes have the digest and, where it is known, the size of a blob."""
    algorithm, _, encoded = blob.digest.partition(":")
    return blob.size in {-1, len(data)} and hashlib.new(algorithm, data).hexdigest() == encoded


def damage(path: Path, blob: Blob) -> str:
    """What is said of a blob that is another one."""
    return f"{path}: expected the content of {blob.digest}, found another; copy the layout anew"
