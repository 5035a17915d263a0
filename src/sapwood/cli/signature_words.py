"""Signatures of a patch, in words."""

from __future__ import annotations

from sapwood.models import ListedSignature


def signature_words(listed: ListedSignature) -> str:
    """A signature in a line."""
    one = listed.signature
    if listed.valid is None:
        verdict = "not checked, for want of --public-key"
    elif listed.valid:
        verdict = f"valid, by the public key {(listed.public_key or b'').hex()}"
    else:
        verdict = f"not valid: {listed.objection}"
    where = ", beside the patch" if listed.detached else ""
    return f"{one.algorithm}, key {one.key.hex()}, counter {one.counter}{where}; {verdict}"
