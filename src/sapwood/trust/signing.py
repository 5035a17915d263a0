"""Signs statements."""

from __future__ import annotations

from sapwood.errors import InputError
from sapwood.trust.algorithms import ED25519, Algorithm
from sapwood.trust.signatures import Signature
from sapwood.trust.statements import Statement

MOST_COUNTER = 2**63 - 1  # larger numbers are none that our JSON may hold


def check_counter(counter: int) -> int:
    """A counter, once it was seen to be one that a signature can have.

    Raises:
        InputError: it is no whole number from 0 to 2^63 - 1.
    """
    if type(counter) is not int or not 0 <= counter <= MOST_COUNTER:
        raise InputError(f"expected a counter of 0 to 2^63 - 1, found {counter!r:.40}")
    return counter


def sign(
    statement: Statement, private_key: bytes, counter: int, algorithm: Algorithm = ED25519
) -> Signature:
    """A key's signature of a statement.

    Args:
        statement: what is signed.
        private_key: a key that the algorithm's `check_private_key` has passed.
        counter: a number that `check_counter` has passed.
        algorithm: the algorithm that the key is of.
    """
    key = algorithm.key_id(algorithm.public_key_of(private_key))
    message = statement.signed(algorithm.name, key, counter)
    return Signature(key, counter, algorithm.sign(message, private_key), algorithm.name)
