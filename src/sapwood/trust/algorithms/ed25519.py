"""Ed25519 (RFC 8032) over libsodium, the only module that speaks to it.

Verification is libsodium's: it refuses keys and commitments of small order, encodings that are
not canonical, and an S that is not below the order of the group, so that nobody but the signer
can make a second signature of a first.
"""

from __future__ import annotations

from types import ModuleType

from blake3 import blake3

from sapwood.errors import InputError
from sapwood.trust.algorithms.algorithm import KEY_ID, Algorithm, sized

PRIVATE_KEY = 64  # bytes: the seed, then the public key
PUBLIC_KEY = 32  # bytes
SEED = 32  # bytes
SIGNATURE = 64  # bytes


def library() -> ModuleType:
    """The bindings of libsodium.

    Raises:
        InputError: they are not installed.
    """
    try:
        from nacl import bindings
    except ImportError as e:
        raise InputError(
            "signatures need PyNaCl, which is not installed; pip install 'sapwood[sign]'"
        ) from e
    return bindings


def generate_keypair() -> tuple[bytes, bytes]:
    """Makes an Ed25519 keypair from the operating system's random numbers.

    Returns:
        The public key, 32 bytes, and the private key, 64 bytes: the seed of RFC 8032 and
        then the public key. Keep the private key in a file that only its owner can read;
        `sapwood keygen` makes one.

    Raises:
        InputError: PyNaCl is not installed.
    """
    public_key, private_key = library().crypto_sign_keypair()
    return bytes(public_key), bytes(private_key)


def check_private_key(key: bytes) -> bytes:
    """A private key as bytes of its own, once it was seen to be one.

    Raises:
        InputError: it is not 64 bytes, or its second half is not the public key of its first
            (signing with such a key would give the seed away); or PyNaCl is not installed.
    """
    private_key = sized(key, PRIVATE_KEY, "a private key")
    public_key, _ = library().crypto_sign_seed_keypair(private_key[:SEED])
    if public_key != private_key[SEED:]:
        raise InputError(
            "expected a private key whose last 32 bytes are its public key, found others; "
            "use the file that `sapwood keygen` wrote"
        )
    return private_key


def check_public_key(key: bytes) -> bytes:
    """A public key as bytes of its own. Only its length is looked at: a bad one never verifies.

    Raises:
        InputError: it is not 32 bytes, or PyNaCl is not installed: nothing could be checked.
    """
    public_key = sized(key, PUBLIC_KEY, "a public key")
    library()
    return public_key


def public_key_of(private_key: bytes) -> bytes:
    """The public half of a private key that was checked."""
    return private_key[SEED:]


def key_id(public_key: bytes) -> bytes:
    """The name of a public key in signatures: 16 bytes of its BLAKE3."""
    return blake3(public_key).digest()[:KEY_ID]


def sign(message: bytes, private_key: bytes) -> bytes:
    """The signature of a message, 64 bytes.

    Args:
        message: any bytes.
        private_key: a key that `check_private_key` has passed.
    """
    return bytes(library().crypto_sign(message, private_key)[:SIGNATURE])


def verifies(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether a signature is the key's of the message.

    Args:
        message: any bytes.
        signature: 64 bytes.
        public_key: 32 bytes.
    """
    bindings = library()
    from nacl.exceptions import BadSignatureError

    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


ED25519 = Algorithm(
    name="ed25519",
    private_size=PRIVATE_KEY,
    public_size=PUBLIC_KEY,
    signature_size=SIGNATURE,
    generate_keypair=generate_keypair,
    check_private_key=check_private_key,
    check_public_key=check_public_key,
    public_key_of=public_key_of,
    key_id=key_id,
    sign=sign,
    verifies=verifies,
)
