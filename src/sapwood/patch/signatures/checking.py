"""Whether a patch is from whom its receiver trusts."""

from __future__ import annotations

from collections.abc import Iterable

from sapwood.errors import SignatureError
from sapwood.patch.format.parsing import CheckedFront
from sapwood.patch.signatures.detached import parse_detached
from sapwood.patch.signatures.fronts import take_apart
from sapwood.trust import Accepted, Trust


def check_patch(front: CheckedFront, trust: Trust, detached: Iterable[bytes] = ()) -> Accepted:
    """Compares a patch's signatures with what a receiver demands.

    Args:
        front: the patch's front, of which no more than preamble and header need be parsed.
        trust: whom the receiver trusts.
        detached: the contents of files of signatures.

    Raises:
        SignatureError: it is not signed as demanded, or a file of signatures is damaged or of
            another patch.
        InvalidPatch: the list of signatures in the header is damaged.
    """
    signed = take_apart(front)
    signatures = list(signed.signatures)
    for one in detached:
        patch, more = parse_detached(one)
        if patch != signed.patch:
            raise SignatureError(
                f"the file of signatures is of the patch {patch.hex()}, not of this one, "
                f"{signed.patch.hex()}; name the one that came with the patch"
            )
        signatures += more
    return trust.check(signed.statement, signatures)
