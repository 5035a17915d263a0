"""Keys of Ed25519 that are the same in every run."""

from __future__ import annotations

from sapwood.trust.algorithms import ed25519


def keypair(number: int) -> tuple[bytes, bytes]:
    """The public and the private key of a seed."""
    public, private = ed25519.library().crypto_sign_seed_keypair(bytes([number] * 32))
    return public, private
