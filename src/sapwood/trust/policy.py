"""Whom a receiver trusts, and whether a patch is theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from sapwood.content.content import Content
from sapwood.errors import InputError, SignatureError
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.trust.ed25519 import ALGORITHM, check_public_key, key_id, library, verifies
from sapwood.trust.signatures import Signature, parse_detached
from sapwood.trust.signing import SignedFront, check_counter, take_apart
from sapwood.trust.statements import statement


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """What a receiver demands of a patch.

    Attributes:
        keys: the public keys that are trusted, by id.
        minimum_counter: signatures with a lower one do not count: who keeps the counter of
            the last patch takes no older one any more.
        threshold: how many of the keys must have signed.
    """

    keys: dict[bytes, bytes]
    minimum_counter: int = 0
    threshold: int = 1

    @classmethod
    def of(
        cls,
        public_keys: bytes | Sequence[bytes],
        minimum_counter: int = 0,
        threshold: int = 1,
    ) -> Policy:
        """A policy that can be met.

        Raises:
            InputError: no key, one that is none, or numbers out of range. PyNaCl is not
                installed.
        """
        library()
        given = [public_keys] if isinstance(public_keys, bytes | bytearray) else list(public_keys)
        keys = {key_id(key): key for key in map(check_public_key, given)}
        if not keys:
            raise InputError("expected at least one public key to trust, found none")
        if type(threshold) is not int or not 1 <= threshold <= len(keys):
            raise InputError(
                f"expected a threshold of 1 to {len(keys)}, the number of keys that are trusted, "
                f"found {threshold!r:.40}"
            )
        return cls(keys, check_counter(minimum_counter), threshold)


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """What a patch was accepted for.

    Attributes:
        digest: of the front that was checked. What is opened later must have it too.
        keys: ids of the trusted keys whose signatures count, 16 bytes each.
        counter: the highest that as many keys as demanded have signed. Keep it: the next
            patch's should be higher.
    """

    digest: bytes
    keys: tuple[bytes, ...]
    counter: int


def check_patch(
    data: Content, policy: Policy, detached: Iterable[bytes] = (), limits: Limits = DEFAULT_LIMITS
) -> Accepted:
    """Compares a patch's signatures with what a receiver demands.

    Of the patch no more is parsed than preamble and header.

    Args:
        data: the patch, borrowed.
        policy: what is demanded.
        detached: the contents of files of signatures.
        limits: what the front may take.

    Raises:
        SignatureError: it does not meet the policy.
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
    counters: dict[bytes, int] = {}
    reasons: list[str] = []
    for number, signature in enumerate(signatures):
        reason = objection(front, signature, policy)
        if reason is None:
            counters[signature.key] = max(signature.counter, counters.get(signature.key, 0))
        else:
            reasons.append(f"signature {number} {reason}")
    if len(counters) < policy.threshold:
        raise SignatureError(refusal(policy, len(counters), reasons))
    ranked = sorted(counters.values(), reverse=True)
    return Accepted(front.digest, tuple(counters), ranked[policy.threshold - 1])


def objection(front: SignedFront, signature: Signature, policy: Policy) -> str | None:
    """Why a signature does not count, or None."""
    if signature.algorithm != ALGORITHM:
        return f"is of the algorithm {signature.algorithm}, which is not known"
    public_key = policy.keys.get(signature.key)
    if public_key is None:
        return f"is by the key {signature.key.hex()}, which is not trusted"
    said = statement(front.patch, front.header, signature.key, signature.counter)
    if not verifies(said, signature.signature, public_key):
        return (
            f"does not verify with the key {signature.key.hex()}: "
            "the patch was changed, or it is another's"
        )
    if signature.counter < policy.minimum_counter:
        return (
            f"has the counter {signature.counter}, less than {policy.minimum_counter}: an old patch"
        )
    return None


def refusal(policy: Policy, found: int, reasons: Sequence[str]) -> str:
    """The words for a patch that does not meet the policy."""
    wanted = "a signature by a trusted key"
    if policy.threshold > 1:
        wanted = f"signatures by {policy.threshold} trusted keys"
    why = "; ".join(reasons) or ("it is not signed" if found == 0 else "no more are there")
    held = "none" if found == 0 else f"{found}"
    return f"expected {wanted}, found {held}: {why}; get the patch from whom you trust"
