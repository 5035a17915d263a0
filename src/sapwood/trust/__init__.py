"""Who made a patch: Ed25519 keys, what they sign, and whom a receiver trusts.

Nothing here takes a key from a patch. `spec/signatures-v1.md` is the definition. The library
that computes (PyNaCl, in `sapwood[sign]`) is imported when something is signed or checked.
"""

from sapwood.trust.ed25519 import check_private_key, generate_keypair, key_id, public_key_of
from sapwood.trust.key_files import read_key, write_keypair
from sapwood.trust.listing import Listed, list_signatures
from sapwood.trust.policy import Accepted, Policy, check_patch
from sapwood.trust.signatures import (
    LARGEST_FILE,
    Signature,
    parse_detached,
    serialise_detached,
)
from sapwood.trust.signing import check_counter, sign_detached, sign_front, signatures_of

__all__ = [
    "LARGEST_FILE",
    "Accepted",
    "Listed",
    "Policy",
    "Signature",
    "check_counter",
    "check_patch",
    "check_private_key",
    "generate_keypair",
    "key_id",
    "list_signatures",
    "parse_detached",
    "public_key_of",
    "read_key",
    "serialise_detached",
    "sign_detached",
    "sign_front",
    "signatures_of",
    "write_keypair",
]
