"""Puts signatures into a patch's header, takes them out, and finds the patch's name without them.

The list of signatures stands first in the header, written in one way only:

    {"signatures":[..],"format":..

Whatever reads version 1 passes over the field. Without it the header is byte for byte what it was
before anybody signed; the digest of a front with that header is what is signed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sapwood.content.content import Content
from sapwood.errors import InputError, InvalidPatch
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.format.front import DIGEST, PREAMBLE, Header, front_digest
from sapwood.patch.format.parsing import checked_parts, parse_header, parse_preamble
from sapwood.trust.ed25519 import key_id, public_key_of, sign
from sapwood.trust.signatures import Signature, parse, serialise
from sapwood.trust.statements import statement

FIELD = b'{"signatures":'  # a header with signatures begins so, and with their list
MOST_COUNTER = 2**63 - 1  # larger numbers are no numbers of a header
HEADER_LENGTH = slice(12, 16)  # of the preamble


@dataclasses.dataclass(frozen=True, slots=True)
class SignedFront:
    """The front of a patch, taken apart.

    Attributes:
        header: parsed.
        signatures: that the header carries; none of them is checked.
        bare: the front without them.
        patch: the digest of `bare`, which signatures are over.
        digest: that of the front as it is.
    """

    header: Header
    signatures: tuple[Signature, ...]
    bare: bytes
    patch: bytes
    digest: bytes


def take_apart(data: Content, limits: Limits = DEFAULT_LIMITS) -> SignedFront:
    """The front of a patch; its index and tables are not parsed.

    Args:
        data: the patch or its front, borrowed.
        limits: what the front may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is damaged.
    """
    preamble = parse_preamble(data[: PREAMBLE.size].tobytes(), limits)
    front = data[: preamble.front_size].tobytes()
    header, _, _ = checked_parts(front, limits)
    parsed = parse_header(header, limits)
    if not header.startswith(FIELD + b"["):
        return SignedFront(parsed, (), front, preamble.digest, preamble.digest)
    listed, separator, rest = header[len(FIELD) :].partition(b"],")
    if not separator:
        raise InvalidPatch("header.signatures: expected a list and other fields behind it")
    bare = with_header(front, len(header), b"{" + rest)
    patch = bare[PREAMBLE.size - DIGEST : PREAMBLE.size]
    return SignedFront(parsed, parse(listed + b"]"), bare, patch, preamble.digest)


def signatures_of(data: Content, limits: Limits = DEFAULT_LIMITS) -> tuple[Signature, ...]:
    """The signatures that a patch carries, none of them checked.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    return take_apart(data, limits).signatures


def with_header(front: bytes, length: int, header: bytes) -> bytes:
    """A front with another header, and the digest that it has then.

    Args:
        front: whole.
        length: of its header, bytes.
        header: that takes the place.
    """
    begin = PREAMBLE.size
    preamble = bytearray(front[:begin])
    preamble[HEADER_LENGTH] = len(header).to_bytes(4, "little")
    changed = bytes(preamble) + header + front[begin + length :]
    return changed[: begin - DIGEST] + front_digest(changed) + changed[begin:]


def with_signatures(front: SignedFront, signatures: Sequence[Signature]) -> bytes:
    """The front with these signatures in the place of those that it had.

    Raises:
        InputError: its header does not begin as those that can be signed inside.
    """
    length = int.from_bytes(front.bare[HEADER_LENGTH], "little")
    header = front.bare[PREAMBLE.size : PREAMBLE.size + length]
    if not header.startswith(b"{"):
        raise InputError(
            "the patch's header does not begin with '{', so that no signature can be put into "
            "it; sign it detached"
        )
    signed = FIELD + serialise(signatures) + b"," + header[1:]
    return with_header(front.bare, length, signed)


def check_counter(counter: int) -> int:
    """A counter that a signature can have.

    Raises:
        InputError: it is none.
    """
    if type(counter) is not int or not 0 <= counter <= MOST_COUNTER:
        raise InputError(f"expected a counter of 0 to 2^63 - 1, found {counter!r:.40}")
    return counter


def signature(front: SignedFront, private_key: bytes, counter: int) -> Signature:
    """A key's signature of a patch.

    Args:
        front: of the patch.
        private_key: of `check_private_key`.
        counter: of `check_counter`.
    """
    key = key_id(public_key_of(private_key))
    signed = sign(statement(front.patch, front.header, key, counter), private_key)
    return Signature(key, counter, signed)


def sign_front(
    data: Content, private_key: bytes, counter: int, limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """A front with a signature more; one of the same key before is replaced.

    Args:
        data: a patch or its front, signed or not.
        private_key: of `check_private_key`.
        counter: of `check_counter`.
        limits: what the front may take.

    Returns:
        The whole front. The body stays what it is.

    Raises:
        InputError: the header cannot take a signature.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    front = take_apart(data, limits)
    new = signature(front, private_key, counter)
    kept = [one for one in front.signatures if (one.key, one.algorithm) != (new.key, new.algorithm)]
    return with_signatures(front, [*kept, new])


def sign_detached(
    data: Content, private_key: bytes, counter: int, limits: Limits = DEFAULT_LIMITS
) -> tuple[bytes, Signature]:
    """A signature that stays outside of the patch, behind the digest of what it is of.

    Takes and raises what `sign_front` does.
    """
    front = take_apart(data, limits)
    return front.patch, signature(front, private_key, counter)
