"""The signatures of a patch, to look at: each with what keys that one has say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from sapwood.patch.format.parsing import CheckedFront
from sapwood.patch.signatures.detached import parse_detached
from sapwood.patch.signatures.fronts import SignedFront, take_apart
from sapwood.trust import Signature, Trust


@dataclasses.dataclass(frozen=True, slots=True)
class ListedSignature:
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

    def to_json(self) -> dict[str, Any]:
        """The signature as JSON values; `valid` is None where it was not checked."""
        one = self.signature
        return {
            "algorithm": one.algorithm,
            "key_id": one.key.hex(),
            "public_key": None if self.public_key is None else self.public_key.hex(),
            "counter": one.counter,
            "detached": self.detached,
            "valid": self.valid,
            "objection": self.objection,
        }


def signatures_of(front: CheckedFront) -> tuple[Signature, ...]:
    """The signatures that a patch carries, none of them checked.

    Raises:
        InvalidPatch: their list is damaged.
    """
    return take_apart(front).signatures


def list_signatures(
    front: CheckedFront, trust: Trust | None = None, detached: Iterable[bytes] = ()
) -> list[ListedSignature]:
    """Every signature of a patch, those inside first. To decide about a patch use `check_patch`.

    Args:
        front: the patch's front, of which no more than preamble and header need be parsed.
        trust: the keys to check with; without them nothing is checked but that what is
            detached is of this patch. The threshold is for `check_patch`.
        detached: the contents of files of signatures.

    Raises:
        SignatureError: a file of signatures is damaged.
        InvalidPatch: the list of signatures in the header is damaged.
    """
    parts = take_apart(front)
    found = [_listed(parts, one, trust) for one in parts.signatures]
    for file in detached:
        patch, signatures = parse_detached(file)
        if patch == parts.patch:
            found += [_listed(parts, one, trust, detached=True) for one in signatures]
        else:
            reason = f"is of the patch {patch.hex()}, not of this one, {parts.patch.hex()}"
            found += [ListedSignature(one, True, None, False, reason) for one in signatures]
    return found


def _listed(
    front: SignedFront, signature: Signature, trust: Trust | None, *, detached: bool = False
) -> ListedSignature:
    """A signature over this patch, checked where there are keys."""
    if trust is None:
        return ListedSignature(signature, detached, None, None, None)
    reason = trust.objection(front.statement, signature)
    key = trust.key_of(signature)
    public_key = None if key is None else key.data
    return ListedSignature(signature, detached, public_key, reason is None, reason)
