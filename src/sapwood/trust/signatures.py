"""Signatures, and the list of them as it stands in JSON, whatever document that is a part of."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from sapwood.documents.fields import Fields
from sapwood.trust.algorithms import ALGORITHMS, ED25519, KEY_ID

MOST_SIGNATURES = 64  # in a list
LONGEST = 8192  # bytes of a signature; those of later algorithms may be long


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's signature. That it is here says nothing of whether it is right.

    Attributes:
        key: the id of the key that it claims to be of, 16 bytes.
        counter: the number that it was given, 0 to 2^63 - 1.
        signature: the bytes that the algorithm made, as many as it makes.
        algorithm: the algorithm's name. One that is not known is carried, and never counts.
    """

    key: bytes
    counter: int
    signature: bytes
    algorithm: str = ED25519.name


def entries(signatures: Sequence[Signature]) -> list[dict[str, Any]]:
    """Signatures as JSON values."""
    return [
        {
            "algorithm": one.algorithm,
            "counter": one.counter,
            "key": one.key.hex(),
            "signature": one.signature.hex(),
        }
        for one in signatures
    ]


def parse_entries(fields: Fields) -> tuple[Signature, ...]:
    """The list `signatures` of an object.

    Raises:
        The error of `fields`: the list is empty or too long, or an entry is no signature.
    """
    listed = fields.objects("signatures")
    if not 1 <= len(listed) <= MOST_SIGNATURES:
        raise fields.fail("signatures", f"expected 1 to {MOST_SIGNATURES}, found {len(listed)}")
    return tuple(_parse_entry(one) for one in listed)


def _parse_entry(fields: Fields) -> Signature:
    """One signature."""
    fields.only({"algorithm", "counter", "key", "signature"})
    algorithm = fields.text("algorithm")
    if not re.fullmatch(r"[a-z0-9-]{1,32}", algorithm):
        raise fields.fail("algorithm", f"expected a name, found {algorithm!r:.60}")
    known = ALGORITHMS.get(algorithm)
    size = min(len(fields.text("signature")) // 2, LONGEST)
    return Signature(
        key=fields.hex("key", KEY_ID),
        counter=fields.size("counter"),
        signature=fields.hex("signature", size if known is None else known.signature_size),
        algorithm=algorithm,
    )
