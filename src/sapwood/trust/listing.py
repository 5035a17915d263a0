"""The signatures of a patch, to look at: each with what keys that one has say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from sapwood.content.content import Content
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.trust.policy import Policy, objection
from sapwood.trust.signatures import Signature, parse_detached
from sapwood.trust.signing import SignedFront, take_apart


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A signature and what is known of it.

    Attributes:
        signature: as it stands in the patch or beside it.
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


def list_signatures(
    data: Content,
    public_keys: Sequence[bytes] = (),
    detached: Iterable[bytes] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> list[Listed]:
    """Every signature of a patch, those inside first. To decide about a patch use `check_patch`.

    Args:
        data: the patch, borrowed. No more is parsed of it than preamble and header.
        public_keys: to check with, 32 bytes each; without one nothing is checked but that
            what is detached is of this patch.
        detached: the contents of files of signatures.
        limits: what the front may take.

    Raises:
        InputError: a key is none. PyNaCl is not installed.
        SignatureError: a file of signatures is none.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    front = take_apart(data, limits)
    policy = Policy.of(public_keys) if public_keys else None
    found = [listed(front, one, policy) for one in front.signatures]
    for file in detached:
        patch, signatures = parse_detached(file)
        if patch == front.patch:
            found += [listed(front, one, policy, detached=True) for one in signatures]
        else:
            reason = f"is of the patch {patch.hex()}, not of this one, {front.patch.hex()}"
            found += [Listed(one, True, None, False, reason) for one in signatures]
    return found


def listed(
    front: SignedFront, signature: Signature, policy: Policy | None, *, detached: bool = False
) -> Listed:
    """A signature over this patch, checked where there is a policy."""
    if policy is None:
        return Listed(signature, detached, None, None, None)
    reason = objection(front, signature, policy)
    key = policy.keys.get(signature.key)
    return Listed(signature, detached, key, reason is None, reason)
