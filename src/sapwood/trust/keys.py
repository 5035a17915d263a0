"""A key to check signatures with."""

from __future__ import annotations

import dataclasses

from sapwood.trust.algorithms import ED25519, Algorithm


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key that signatures can be checked with, and the algorithm that it is of.

    The algorithm is the key's and not the signature's choice: no signature can have a public key
    taken for the secret of a MAC.

    Attributes:
        data: the public key as bare bytes, or of a MAC the secret one.
        algorithm: the algorithm of its signatures.
        id: the 16 bytes that signatures name it by.

    Raises:
        InputError: the bytes are no key of the algorithm, or its library is not installed.
    """

    data: bytes
    algorithm: Algorithm = ED25519
    id: bytes = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        data = self.algorithm.check_public_key(self.data)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "id", self.algorithm.key_id(data))

    def __repr__(self) -> str:
        # Not the bytes: those of a MAC must not get into logs.
        return f"Key({self.algorithm.name} {self.id.hex()})"
