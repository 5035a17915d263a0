"""Files of signatures that lie beside a patch: strict both ways."""

from __future__ import annotations

from collections.abc import Sequence

from sapwood.documents import canonical_json
from sapwood.documents.fields import Fields
from sapwood.errors import SignatureError
from sapwood.patch.format.front import DIGEST
from sapwood.trust.signatures import Signature, entries, parse_entries

DETACHED = "ttpatch-signatures/v1"
WHERE = "file of signatures"
REMEDY = "name the file that `sign --detached` wrote"
LARGEST_FILE = 2 << 20  # bytes; more than what it can need


def serialise_detached(patch: bytes, signatures: Sequence[Signature]) -> bytes:
    """A file of signatures.

    Args:
        patch: the digest that names the patch without signatures, 32 bytes.
        signatures: the signatures of that patch.
    """
    fields = {"format": DETACHED, "patch": patch.hex(), "signatures": entries(signatures)}
    return canonical_json.serialise(fields) + b"\n"


def parse_detached(data: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    """The digest of the patch and the signatures in a file of signatures.

    Raises:
        SignatureError: it is no file of signatures, or damaged.
    """
    if len(data) > LARGEST_FILE:
        raise SignatureError(
            f"{WHERE}: expected at most {LARGEST_FILE} bytes, found {len(data)}; {REMEDY}"
        )
    text = data.removesuffix(b"\n")
    parsed = canonical_json.parse_exact(text, WHERE, SignatureError, remedy=REMEDY)
    fields = Fields(parsed, WHERE, SignatureError, remedy=REMEDY)
    fields.only({"format", "patch", "signatures"})
    if fields.text("format") != DETACHED:
        raise fields.fail("format", f"expected {DETACHED}, found {fields.text('format')!r:.60}")
    return fields.hex("patch", DIGEST), parse_entries(fields)
