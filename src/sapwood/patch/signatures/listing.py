"""The signatures of a patch, to look at: each with what keys that one has say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from sapwood.content.content import Content
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.signatures.detached import parse_detached
from sapwood.patch.signatures.fronts import SignedFront, take_apart
from sapwood.trust import Signature, Trust


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A signature and what is known of it.

    Attributes:
        signature: the signature as it stands in the patch or beside it.
        detached: whether it came in a file of its own.
        public_key: the one of the given keys that it names, 32 bytes, or None.
        valid: whether it is that key's and of this patch. None where it was not checked: no
            key was given.
        objection: why it is not valid, to follow the word "signature"; or None.
    """

    signature: Signature
    detached: bool
    public_key: bytes | None
    valid: bool | None
    objection: str | None


def signatures_of(data: Content, limits: Limits = DEFAULT_LIMITS) -> tuple[Signature, ...]:
    """The signatures that a patch carries, none of them checked.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    return take_apart(data, limits).signatures


def list_signatures(
    data: Content,
    trust: Trust | None = None,
    detached: Iterable[bytes] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> list[Listed]:
    """Every signature of a patch, those inside first. To decide about a patch use `check_patch`.

    Args:
        data: the patch, borrowed. No more is parsed of it than preamble and header.
        trust: the keys to check with; without them nothing is checked but that what is
            detached is of this patch. The threshold is for `check_patch`.
        detached: the contents of files of signatures.
        limits: what the front may take.

    Raises:
        SignatureError: a file of signatures is none.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    front = take_apart(data, limits)
    found = [_listed(front, one, trust) for one in front.signatures]
    for file in detached:
        patch, signatures = parse_detached(file)
        if patch == front.patch:
            found += [_listed(front, one, trust, detached=True) for one in signatures]
        else:
            reason = f"is of the patch {patch.hex()}, not of this one, {front.patch.hex()}"
            found += [Listed(one, True, None, False, reason) for one in signatures]
    return found


def _listed(
    front: SignedFront, signature: Signature, trust: Trust | None, *, detached: bool = False
) -> Listed:
    """A signature over this patch, checked where there are keys."""
    if trust is None:
        return Listed(signature, detached, None, None, None)
    reason = trust.objection(front.statement, signature)
    key = trust.key_of(signature)
    public_key = None if key is None else key.data
    return Listed(signature, detached, public_key, reason is None, reason)
