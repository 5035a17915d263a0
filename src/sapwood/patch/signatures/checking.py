"""Whether a patch is from whom its receiver trusts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from sapwood.content.content import Content
from sapwood.errors import SignatureError
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.signatures.detached import parse_detached
from sapwood.patch.signatures.fronts import take_apart
from sapwood.trust import Accepted, Trust


@dataclasses.dataclass(frozen=True, slots=True)
class AcceptedPatch(Accepted):
    """What a patch was accepted for.

    Attributes:
        digest: the digest of the front that was checked, 32 bytes. What is opened later must
            have it too.
    """

    digest: bytes


def check_patch(
    data: Content, trust: Trust, detached: Iterable[bytes] = (), limits: Limits = DEFAULT_LIMITS
) -> AcceptedPatch:
    """Compares a patch's signatures with what a receiver demands.

    Of the patch no more is parsed than preamble and header.

    Args:
        data: the patch, borrowed.
        trust: whom the receiver trusts.
        detached: the contents of files of signatures.
        limits: what the front may take.

    Raises:
        SignatureError: it is not signed as demanded, or a file of signatures is none, or of
            another patch.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: its front is damaged.
    """
    front = take_apart(data, limits)
    signatures = list(front.signatures)
    for one in detached:
        patch, more = parse_detached(one)
        if patch != front.patch:
            raise SignatureError(
                f"the file of signatures is of the patch {patch.hex()}, not of this one, "
                f"{front.patch.hex()}; name the one that came with the patch"
            )
        signatures += more
    accepted = trust.check(front.statement, signatures)
    return AcceptedPatch(accepted.keys, accepted.counter, front.digest)
