"""Fingerprints: which version of a model a file is, from a sample of it.

`spec/fingerprint-v1.md` is the definition.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from sapwood.content.parts import EndToEnd
from sapwood.documents.file_selection import FileSelection
from sapwood.files.paths import path_name
from sapwood.files.positions import expect, read_at
from sapwood.files.reading import STRIPE
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, folder_of, read_source
from sapwood.files.trees import FileEntry, Listing, file_contents, list_folder
from sapwood.modelfile import apparent_format
from sapwood.modelfile.layout import plain_bytes
from sapwood.modelfile.stand_ins import stand_in
from sapwood.models.making.inputs import unchanged
from sapwood.models.remarks import fault_of, left_out

DOMAIN = b"sapwood fingerprint v1\n"
FOLDER_DOMAIN = b"sapwood fingerprint v1 folder\n"
WHOLE = 4 << 20  # bytes; a file that is no longer is hashed whole
HEADER = 64 << 10  # bytes at the beginning that are hashed
TAIL = 4 << 10  # bytes at the end that are hashed
BLOCKS = 512  # in between
BLOCK = 4 << 10  # bytes; blocks begin at multiples of it
SHORT = 16  # letters

Read = Callable[[int, int], bytes]
"""The bytes of a file from an offset on, so many."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a model file looks like from a sample of it.

    Attributes:
        format: what the file begins as (`modelfile.apparent_format`), "bytes" of any other,
            "folder" of a folder.
        file_size: bytes.
        header_hash: BLAKE3 of the first 64 KiB, in hexadecimal.
        tail_hash: BLAKE3 of the last 4 KiB, in hexadecimal.
        combined_hash: BLAKE3 of the length and the sample, header and tail among it, in
            hexadecimal. The format is no part of it: it follows from the header, and more
            formats may be told apart one day. Of a folder paths and sizes are part of it.
        full_digest: SHA-256 of the whole file in hexadecimal, as `sha256sum` prints it and
            `PatchInfo.source_hash` holds it; None where it was not asked for.
        warnings: lines on what lies in the place of a model, and on what was left out of a folder.
            Fingerprints that differ in them alone are equal.
    """

    format: str
    file_size: int
    header_hash: str
    tail_hash: str
    combined_hash: str
    full_digest: str | None = None
    warnings: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def short(self) -> str:
        """The first 16 letters of the combined hash: to show, and to look up."""
        return self.combined_hash[:SHORT]

    def matches(self, other: Fingerprint) -> bool:
        """Whether both are of one version, as far as the samples tell.

        Where both have a full digest, it decides.
        """
        if self.full_digest is not None and other.full_digest is not None:
            return self.full_digest == other.full_digest
        return self.combined_hash == other.combined_hash

    def to_json(self) -> dict[str, Any]:
        """The fingerprint as JSON values; `warnings` are told apart."""
        return {
            "format": self.format,
            "file_size": self.file_size,
            "short": self.short(),
            "header_hash": self.header_hash,
            "tail_hash": self.tail_hash,
            "combined_hash": self.combined_hash,
            "full_digest": self.full_digest,
        }


def fingerprint(
    model_path: Source,
    *,
    full: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Fingerprint:
    """Tells versions of a model apart in 10 to 20 ms, whatever the size.

    What it promises: files of different lengths differ. A file of up to 4 MiB is read
    whole, so that any difference is seen. Of a longer one the first 64 KiB, the last 4 KiB and 512
    blocks of 4 KiB in between are read, 2.1 MB, one block at a place of its own in each 512th
    of the file. So a stretch that is changed throughout is seen for certain once it is longer
    than a 256th of the file and 8 KiB; a change of a share p of the file in
    many places is missed with a chance of about (1 - p)^512: 0.6 % if p is 1 %.

    What it cannot promise: that equal fingerprints are of equal files. A change of a few
    weights is missed more often than not, and whoever knows the rule can change a file
    where nobody looks. Where that matters take `full_digest`, which reads everything.

    A folder has the fingerprint of its files, one after another by path, and of their paths
    and sizes; of those that `create_patch` would take.

    Args:
        model_path: a path, bytes or a file object. Of a path no more is read than the sample;
            what is no regular file, and a file object, is read to its end.
        full: read the whole file for `full_digest`, a few seconds for each GB.
        include, exclude: as of `create_patch`.

    Raises:
        IoError: the file cannot be read, or changed meanwhile.
        InputError: it is nothing of the kind, or a pattern is none.
    """
    selection = FileSelection.of(include, exclude)
    with (
        unchanged(model_path, selection=selection),
        _opened(model_path, selection) as (size, listing, read),
    ):
        listed = b"" if listing is None else _beginning(listing.entries)
        head, tail = read(0, min(size, HEADER)), read(max(0, size - TAIL), min(size, TAIL))
        hasher = blake3(listed or DOMAIN + size.to_bytes(8, "little"))
        if size <= WHOLE:
            hasher.update(read(0, size))
        else:
            hasher.update(head)
            for offset in block_offsets(size):
                hasher.update(read(offset, BLOCK))
            hasher.update(tail)
        return Fingerprint(
            format="folder" if listed else apparent_format(memoryview(head)),
            file_size=size,
            header_hash=blake3(head).hexdigest(),
            tail_hash=blake3(tail).hexdigest(),
            combined_hash=hasher.hexdigest(),
            full_digest=_sha256(size, read) if full else None,
            warnings=_remarks(model_path, size, listing, head),
        )


def compare_fingerprints(model1: Source, model2: Source) -> bool:
    """Whether two models are likely the same version, by their fingerprints.

    Args:
        model1: as of `fingerprint`, whose docstring says what "likely" means.
        model2: likewise.

    Raises:
        IoError, InputError: as `fingerprint`.
    """
    return fingerprint(model1).matches(fingerprint(model2))


def block_offsets(size: int) -> list[int]:
    """Where the blocks of a file begin, ascending; a function of its length alone.

    One in each of 512 equal parts, at a place that BLAKE3 draws: at even distances they
    could fall on the same few rows of every layer.

    Args:
        size: bytes of the file, more than `WHOLE`.
    """
    drawn = blake3(DOMAIN + size.to_bytes(8, "little")).digest(8 * BLOCKS)
    pages = (size - BLOCK) // BLOCK + 1  # where a whole block fits
    offsets = []
    for i in range(BLOCKS):
        first, after = i * pages // BLOCKS, (i + 1) * pages // BLOCKS
        number = int.from_bytes(drawn[8 * i : 8 * i + 8], "little")
        offsets.append((first + number % (after - first)) * BLOCK)
    return offsets


def _sha256(size: int, read: Read) -> str:
    """The SHA-256 of a whole file."""
    hasher = hashlib.sha256()
    for at in range(0, size, STRIPE):
        hasher.update(read(at, min(STRIPE, size - at)))
    return hasher.hexdigest()


def _remarks(model: Source, size: int, listing: Listing | None, head: bytes) -> tuple[str, ...]:
    """What there is to say of a model whose beginning is `head`."""
    name = path_name(model) if isinstance(model, str | os.PathLike) else "the model"
    if listing is not None:
        return left_out(name, listing.left_out)
    fault = fault_of(plain_bytes(size, stand_in(memoryview(head))))
    return () if fault is None else (f"{name}: {fault}",)


@contextlib.contextmanager
def _opened(model: Source, selection: FileSelection) -> Iterator[tuple[int, Listing | None, Read]]:
    """The length of a model, the files of a folder, and what reads parts.

    Raises:
        IoError: it cannot be read, or is cut off meanwhile.
        InputError: it is nothing of the kind, or a folder with what is no file.
    """
    root = folder_of(model)
    if root is not None:
        listing = list_folder(root, selection)
        content = EndToEnd(file_contents(root, listing.entries, most_mapped=0))
        yield (
            len(content),
            listing,
            lambda offset, wanted: content[offset : offset + wanted].tobytes(),
        )
        return
    name = path_name(model) if isinstance(model, str | os.PathLike) else None
    if name is not None and _is_regular(name):
        # Read, not mapped: a fault of a map reads what lies around it too.
        with os_errors(name), Path(name).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > WHOLE:
                expect(file.fileno(), ((offset, BLOCK) for offset in block_offsets(size)))
            yield size, None, lambda at, wanted: read_at(file.fileno(), at, wanted, name).tobytes()
        return
    data = read_source(model)
    yield len(data), None, lambda offset, wanted: data[offset : offset + wanted].tobytes()


def _beginning(files: Sequence[FileEntry]) -> bytes:
    """What is hashed of a folder before its sample: its length, and its files."""
    hashed = bytearray(FOLDER_DOMAIN)
    for number in (sum(one.size for one in files), len(files)):
        hashed += number.to_bytes(8, "little")
    for one in files:
        path = one.path.encode()
        hashed += len(path).to_bytes(8, "little") + path + one.size.to_bytes(8, "little")
    return bytes(hashed)


def _is_regular(name: str) -> bool:
    """Whether a path leads to a file that can be read in places."""
    with os_errors(name):
        status = Path(name).stat()
    return stat.S_ISREG(status.st_mode) and status.st_size > 0
