"""Who made something: keys, what they sign, and whom a receiver trusts.

What is signed is a `Statement`, whatever it is of; how its signatures are carried is for the room
of that thing to know (`sapwood.patch.signatures`). Nothing here takes a key from what is checked.
`spec/signatures-v1.md` is the definition. The library that computes (PyNaCl, in `sapwood[sign]`)
is imported when something is signed or checked.
"""

from sapwood.trust.algorithms import ALGORITHMS, ED25519, Algorithm
from sapwood.trust.algorithms.ed25519 import (
    check_private_key,
    generate_keypair,
    key_id,
    public_key_of,
)
from sapwood.trust.demands import Accepted, Trust
from sapwood.trust.key_files import KeyFiles, read_key, write_keypair
from sapwood.trust.keys import Key
from sapwood.trust.signatures import Signature
from sapwood.trust.signing import check_counter, sign
from sapwood.trust.statements import Statement

__all__ = [
    "ALGORITHMS",
    "ED25519",
    "Accepted",
    "Algorithm",
    "Key",
    "KeyFiles",
    "Signature",
    "Statement",
    "Trust",
    "check_counter",
    "check_private_key",
    "generate_keypair",
    "key_id",
    "public_key_of",
    "read_key",
    "sign",
    "write_keypair",
]
