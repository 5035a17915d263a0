"""What `plan_route` weighs, read from files: patches, chains, whole files, and what there is."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sapwood.content.content import Bytes
from sapwood.errors import InputError
from sapwood.files.sources import Source, contents, read_source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.chains.format import parse_chain
from sapwood.models.chains.routes import Offer
from sapwood.models.locating import located
from sapwood.models.receiving.opening import delivery
from sapwood.models.receiving.receiving import Receiving
from sapwood.patch.applying.opening import check_length


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Offered(Offer):
    """An offer in a file, with what tells its bases among others from afar.

    Attributes:
        file: the name of the file that it is in.
        offset: where in that file it begins, bytes; it is `size` bytes long.
        base_sizes: the sizes of the bases, bytes.
    """

    file: str
    offset: int = 0
    base_sizes: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The offer as JSON values, with the bytes of which file it is."""
        place = {"file": self.file, "offset": self.offset}
        return {**Offer.to_json(self), **place}


def patch_offer(patch: Source, name: str, *, limits: Limits = DEFAULT_LIMITS) -> Offered:
    """A patch of model files; of its body nothing is read.

    Args:
        patch: a path, bytes or a file object.
        name: a name for people.
        limits: memory that the front may ask for.

    Raises:
        InputError: it is of a tensor or a folder.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as `patch_info`.
    """
    with located(name), delivery(patch, Receiving(limits=limits), parts=True) as delivered:
        header, preamble = delivered.header, delivered.front.preamble
        if header.kind != "model":
            raise InputError(f"a patch of a {header.kind}, not of a file; routes are between files")
        size = preamble.front_size + preamble.body
        check_length(size, len(delivered.data))
    return Offered(
        name,
        tuple(base.sha256 or b"" for base in header.bases),
        header.target.sha256 or b"",
        size,
        header.target.size,
        file=name,
        base_sizes=tuple(base.size for base in header.bases),
    )


def chain_offers(chain: Source, name: str, *, limits: Limits = DEFAULT_LIMITS) -> list[Offered]:
    """The links of a chain, each of which can be fetched alone.

    Args:
        chain: a path, bytes or a file object.
        name: a name of the chain for people.
        limits: memory that the front of a patch may ask for.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as `chain_info`.
    """
    with located(name):
        links = parse_chain(read_source(chain), limits).links
    return [
        Offered(
            f"{name} {link.label}",
            (link.base.sha256,),
            link.target.sha256,
            link.size,
            link.target.size,
            file=name,
            offset=link.offset,
            base_sizes=(link.base.size,),
        )
        for link in links
    ]


def file_offer(file: Source, name: str) -> Offered:
    """A whole file, which is read for its SHA-256.

    Raises:
        IoError: it cannot be read.
    """
    data = read_source(file)
    return Offered(name, (), file_sha256(data), len(data), len(data), file=name)


def held_versions(sources: Sequence[Source], sizes: Collection[int]) -> Iterator[bytes]:
    """The SHA-256 of each file that there is; below folders of those of the right size.

    Args:
        sources: paths, bytes or file objects; a folder stands for the files in it and below.
        sizes: the sizes of all bases that an offer has, and of what is wanted, bytes.

    Raises:
        IoError: a source cannot be read.
    """
    for data in contents(sources, sizes.__contains__):
        yield file_sha256(data)


def file_sha256(data: Bytes) -> bytes:
    """The SHA-256 of a whole file."""
    return hashlib.sha256(data.data).digest()
