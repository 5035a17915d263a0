"""The front of a patch with and without signatures, and what a signature of the patch says.

The list of signatures stands first in the header, written in one way only:

    {"signatures":[..],"format":..

Whatever reads version 1 passes over the field. Without it the header is byte for byte what it was
before anybody signed; the digest of a front with that header is what is signed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sapwood.documents import canonical_json
from sapwood.errors import InputError, InvalidPatch
from sapwood.patch.format.front import (
    DIGEST,
    PREAMBLE,
    VERSION,
    FileDigest,
    Header,
    with_digest,
)
from sapwood.patch.format.parsing import HEADER, REMEDY, CheckedFront, fields_of
from sapwood.trust import Signature, Statement
from sapwood.trust.signatures import entries, parse_entries

FIELD = b'{"signatures":'  # a header with signatures begins so, and with their list
HEADER_LENGTH = slice(12, 16)  # where it stands in the preamble


@dataclasses.dataclass(frozen=True, slots=True)
class SignedFront:
    """The front of a patch, taken apart.

    Attributes:
        header: the header, parsed.
        signatures: those that the header carries; none of them is checked.
        bare: the front without them.
        patch: the digest of `bare`, 32 bytes, which names the patch whoever has signed it.
    """

    header: Header
    signatures: tuple[Signature, ...]
    bare: bytes
    patch: bytes

    @property
    def statement(self) -> Statement:
        """What signatures of the patch are over.

        The digest binds every byte of the rest: header, index with the digest of each chunk,
        tables, and the body by its digest.
        """
        bases = (f"base {_named(base)}" for base in self.header.bases)
        target = f"target {_named(self.header.target)}"
        return Statement("patch", VERSION, (f"patch {self.patch.hex()}", *bases, target))


def take_apart(front: CheckedFront) -> SignedFront:
    """The front of a patch with its signatures apart; its index and tables are not parsed.

    Raises:
        InvalidPatch: the list of signatures is damaged.
    """
    header = front.header_text
    if not header.startswith(FIELD + b"["):
        return SignedFront(front.header, (), front.data, front.preamble.digest)
    listed, separator, rest = header[len(FIELD) :].partition(b"],")
    if not separator:
        raise InvalidPatch("header.signatures: expected a list and other fields behind it")
    bare = with_header(front.data, len(header), b"{" + rest)
    patch = bare[PREAMBLE.size - DIGEST : PREAMBLE.size]
    return SignedFront(front.header, parse_list(listed + b"]"), bare, patch)


def parse_list(data: bytes) -> tuple[Signature, ...]:
    """The signatures of the canonical JSON list in a header.

    Raises:
        InvalidPatch: it is damaged.
    """
    where = f"{HEADER}.signatures"
    listed = canonical_json.parse_exact(data, where, InvalidPatch, remedy=REMEDY)
    return parse_entries(fields_of({"signatures": listed}, HEADER))


def with_header(front: bytes, length: int, header: bytes) -> bytes:
    """A front with another header, and the digest that it has then.

    Args:
        front: the whole front.
        length: bytes of the header that it has.
        header: the header that takes its place.
    """
    preamble = bytearray(front[: PREAMBLE.size])
    preamble[HEADER_LENGTH] = len(header).to_bytes(4, "little")
    return with_digest(bytes(preamble) + header + front[PREAMBLE.size + length :])


def with_signatures(front: SignedFront, signatures: Sequence[Signature]) -> bytes:
    """The front with these signatures in the place of those that it had.

    Raises:
        InputError: its header does not begin as a header must to take signatures.
    """
    length = int.from_bytes(front.bare[HEADER_LENGTH], "little")
    header = front.bare[PREAMBLE.size : PREAMBLE.size + length]
    if not header.startswith(b"{"):
        raise InputError(
            "the patch's header does not begin with '{', so that no signature can be put into "
            "it; sign it detached"
        )
    signed = FIELD + canonical_json.serialise(entries(signatures)) + b"," + header[1:]
    return with_header(front.bare, length, signed)


def _named(file: FileDigest) -> str:
    """A base or the target by size and BLAKE3."""
    return f"{file.size} {file.blake3.hex()}"
