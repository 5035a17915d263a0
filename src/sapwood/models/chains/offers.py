"""What `plan_route` weighs, read from files: patches, chains, whole files, and what there is."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence

from sapwood.content.content import Bytes
from sapwood.errors import InputError, InvalidPatch
from sapwood.files.sources import Source, contents, read_source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.chains.format import parse_chain, read_header
from sapwood.models.chains.routes import Offer
from sapwood.models.locating import located


@dataclasses.dataclass(frozen=True, slots=True)
class Offered:
    """An offer, with where it is and what tells its bases among files from afar.

    Attributes:
        offer: for `plan_route`.
        file: the name of the file that it is in.
        offset: where in that file it begins, bytes; it is as long as `offer.size`.
        base_sizes: of the bases, bytes.
    """

    offer: Offer
    file: str
    offset: int
    base_sizes: tuple[int, ...]


def patch_offer(patch: Source, name: str, *, limits: Limits = DEFAULT_LIMITS) -> Offered:
    """A patch of model files; of its body nothing is read.

    Args:
        patch: a path, bytes or a file object.
        name: for people.
        limits: memory that the front may ask for.

    Raises:
        InputError: it is of a tensor, which has no SHA-256.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as `patch_info`.
    """
    data = read_source(patch)
    with located(name):
        preamble, header = read_header(data, limits)
        if header.kind != "model":
            raise InputError("a patch of a tensor, not of a file; routes are between files")
        size = preamble.front_size + preamble.body
        if len(data) != size:
            raise InvalidPatch(f"expected {size} bytes, found {len(data)}; get the patch anew")
    bases = tuple(base.sha256 or b"" for base in header.bases)
    offer = Offer(name, bases, header.target.sha256 or b"", size, header.target.size)
    return Offered(offer, name, 0, tuple(base.size for base in header.bases))


def chain_offers(chain: Source, name: str, *, limits: Limits = DEFAULT_LIMITS) -> list[Offered]:
    """The links of a chain, each of which can be fetched alone.

    Args:
        chain: a path, bytes or a file object.
        name: of the chain, for people.
        limits: memory that the front of a patch may ask for.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as `chain_info`.
    """
    with located(name):
        links = parse_chain(read_source(chain), limits).links
    return [
        Offered(
            Offer(
                f"{name} {link.label}",
                (link.base.sha256,),
                link.target.sha256,
                link.size,
                link.target.size,
            ),
            name,
            link.offset,
            (link.base.size,),
        )
        for link in links
    ]


def file_offer(file: Source, name: str) -> Offered:
    """A whole file, which is read for its SHA-256.

    Raises:
        IoError: it cannot be read.
    """
    data = read_source(file)
    return Offered(Offer(name, (), file_sha256(data), len(data), len(data)), name, 0, ())


def held_versions(sources: Sequence[Source], sizes: Collection[int]) -> Iterator[bytes]:
    """The SHA-256 of each file that there is; below folders of those of the right size.

    Args:
        sources: paths, bytes or file objects; a folder stands for the files in it and below.
        sizes: bytes, of all bases that anything asks for, and of what is wanted.

    Raises:
        IoError: a source cannot be read.
    """
    for data in contents(sources, sizes.__contains__):
        yield file_sha256(data)


def file_sha256(data: Bytes) -> bytes:
    """The SHA-256 of a whole file."""
    return hashlib.sha256(data.data).digest()
