"""Signatures as JSON, in a patch's header and in files of their own: strict both ways."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from sapwood.documents import canonical_json
from sapwood.documents.canonical_json import Fields
from sapwood.errors import InvalidPatch, SignatureError
from sapwood.patch.format.front import DIGEST
from sapwood.trust.ed25519 import ALGORITHM, KEY_ID, SIGNATURE

DETACHED = "ttpatch-signatures/v1"
MOST_SIGNATURES = 64  # in a patch or a file
LONGEST = 8192  # bytes of a signature; those of later algorithms may be long
LARGEST_FILE = 2 << 20  # bytes of a detached file; more than what it can need


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's signature. That it is here says nothing of whether it is right.

    Attributes:
        key: the id of the key that it claims to be of, 16 bytes.
        counter: that it was given, 0 to 2^63 - 1.
        signature: 64 bytes of ed25519.
        algorithm: "ed25519", or a later one, which is carried and never counts.
    """

    key: bytes
    counter: int
    signature: bytes
    algorithm: str = ALGORITHM


def serialise(signatures: Sequence[Signature]) -> bytes:
    """The canonical JSON list."""
    return canonical_json.serialise(entries(signatures))


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


def parse(data: bytes) -> tuple[Signature, ...]:
    """The signatures of a canonical JSON list.

    Raises:
        InvalidPatch: it is none.
    """
    fields = Fields({"signatures": canonical_json.parse_exact(data, "signatures")}, "header")
    return parse_entries(fields)


def parse_entries(fields: Fields) -> tuple[Signature, ...]:
    """The list `signatures` of an object.

    Raises:
        InvalidPatch: it has other fields, or values that signatures do not have.
    """
    listed = fields.objects("signatures")
    if not 1 <= len(listed) <= MOST_SIGNATURES:
        raise InvalidPatch(
            f"{fields.where}.signatures: expected 1 to {MOST_SIGNATURES}, found {len(listed)}"
        )
    return tuple(parse_entry(one) for one in listed)


def parse_entry(fields: Fields) -> Signature:
    """One signature."""
    fields.only({"algorithm", "counter", "key", "signature"})
    algorithm = fields.text("algorithm")
    if not re.fullmatch(r"[a-z0-9-]{1,32}", algorithm):
        raise InvalidPatch(f"{fields.where}.algorithm: expected a name, found {algorithm!r:.60}")
    size = min(len(fields.text("signature")) // 2, LONGEST)
    return Signature(
        key=fields.hex("key", KEY_ID),
        counter=fields.size("counter"),
        signature=fields.hex("signature", SIGNATURE if algorithm == ALGORITHM else size),
        algorithm=algorithm,
    )


def serialise_detached(patch: bytes, signatures: Sequence[Signature]) -> bytes:
    """A file of signatures.

    Args:
        patch: the digest that names the patch without signatures, 32 bytes.
        signatures: of it.
    """
    fields = {"format": DETACHED, "patch": patch.hex(), "signatures": entries(signatures)}
    return canonical_json.serialise(fields) + b"\n"


def parse_detached(data: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    """The digest of the patch and the signatures in a file of signatures.

    Raises:
        SignatureError: it is none, or damaged.
    """
    if len(data) > LARGEST_FILE:
        raise SignatureError(
            f"expected a file of signatures of at most {LARGEST_FILE} bytes, found {len(data)}; "
            "name the file that `sign --detached` wrote"
        )
    try:
        parsed = canonical_json.parse_exact(data.removesuffix(b"\n"), "file of signatures")
        fields = Fields(parsed, "signatures", known={"format", "patch", "signatures"})
        if fields.text("format") != DETACHED:
            raise InvalidPatch(f"expected {DETACHED}, found {fields.text('format')!r:.60}")
        return fields.hex("patch", DIGEST), parse_entries(fields)
    except InvalidPatch as e:
        raise SignatureError(
            f"no file of signatures: {e}; name the file that `sign --detached` wrote"
        ) from e
