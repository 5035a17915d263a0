"""What an algorithm of signatures is to the rest of the room."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from sapwood.errors import InputError

KEY_ID = 16  # bytes of the id of a key, whatever its algorithm


@dataclasses.dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to sign bytes, and to tell who did.

    A MAC is one too: its public key is the private one, so that whoever can check a signature
    could have made it. Its keys are as secret where they check as where they sign, and
    `verifies` must compare in a time that does not depend on the bytes.

    Attributes:
        name: the name that signatures carry: a-z, 0-9 and "-", 1 to 32 letters.
        private_size: bytes of a key to sign with.
        public_size: bytes of a key to check with.
        signature_size: bytes of a signature, at most 8192.
        generate_keypair: makes a public and a private key.
        check_private_key: gives back a private key as bytes of its own; raises InputError
            where it is none, or where the library that computes is not installed.
        check_public_key: does the same with a public key.
        public_key_of: gives the public key that belongs to a private one.
        key_id: gives the 16 bytes that signatures name a public key by. They are published, so
            that those of a secret key must not help to find it.
        sign: gives the signature of a message by a private key that was checked.
        verifies: tells whether a message has a signature by a public key that was checked.
    """

    name: str
    private_size: int
    public_size: int
    signature_size: int
    generate_keypair: Callable[[], tuple[bytes, bytes]]
    check_private_key: Callable[[bytes], bytes]
    check_public_key: Callable[[bytes], bytes]
    public_key_of: Callable[[bytes], bytes]
    key_id: Callable[[bytes], bytes]
    sign: Callable[[bytes, bytes], bytes]
    verifies: Callable[[bytes, bytes, bytes], bool]


def sized(key: object, size: int, what: str) -> bytes:
    """A key as bytes of its own.

    Args:
        key: what a caller gave for the key.
        size: bytes that the key should have.
        what: the key in words, for errors.

    Raises:
        InputError: it is not bytes, or not so many.
    """
    if not isinstance(key, bytes | bytearray | memoryview):
        raise InputError(f"expected {what} as {size} bytes, found {type(key).__name__}")
    found = bytes(key)
    if len(found) != size:
        raise InputError(f"expected {what} of {size} bytes, found {len(found)}")
    return found
