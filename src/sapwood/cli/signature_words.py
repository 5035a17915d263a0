"""Signatures of a patch, in words and as JSON values."""

from __future__ import annotations

from typing import Any

from sapwood.patch.signatures import Listed


def signature_facts(listed: Listed) -> dict[str, Any]:
    """A signature as JSON values; `valid` is null where it was not checked."""
    one = listed.signature
    return {
        "algorithm": one.algorithm,
        "key_id": one.key.hex(),
        "public_key": None if listed.public_key is None else listed.public_key.hex(),
        "counter": one.counter,
        "detached": listed.detached,
        "valid": listed.valid,
        "objection": listed.objection,
    }


def signature_words(listed: Listed) -> str:
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
