"""Whom a receiver trusts, and whether what it was given is theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import cast

from sapwood.errors import InputError, SignatureError
from sapwood.trust.algorithms import ALGORITHMS
from sapwood.trust.keys import Key
from sapwood.trust.signatures import Signature
from sapwood.trust.signing import check_counter
from sapwood.trust.statements import Statement


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """What something was accepted for.

    Attributes:
        keys: ids of the trusted keys whose signatures count, 16 bytes each.
        counter: the highest counter that as many keys as demanded have signed. Keep it: that of
            the next version should be higher.
    """

    keys: tuple[bytes, ...]
    counter: int


@dataclasses.dataclass(frozen=True, slots=True, init=False)
class Trust:
    """Whom a receiver trusts, and what it demands of their signatures.

    It holds for whatever is signed: patches, and what else has a `Statement`. Keys are never taken
    from what is checked.

    Attributes:
        keys: the keys that are trusted, each once.
        minimum_counter: the least counter of a signature that counts: who demands more than
            that of the last version takes no older one any more.
        threshold: how many of the keys must have signed.
    """

    keys: tuple[Key, ...]
    minimum_counter: int
    threshold: int

    def __init__(
        self,
        keys: bytes | Key | Iterable[bytes | Key],
        minimum_counter: int = 0,
        threshold: int = 1,
    ) -> None:
        """Checks what it is given, so that nothing is found wrong with it later.

        Args:
            keys: one key or several; bare bytes are a public key of Ed25519, 32 bytes.
            minimum_counter: a number from 0 to 2^63 - 1.
            threshold: a number from 1 to that of the keys.

        Raises:
            InputError: there is no key, or something that is none; a number is out of range; or
                a key needs PyNaCl, which is not installed.
        """
        trusted = _trusted(keys)
        if type(threshold) is not int or not 1 <= threshold <= len(trusted):
            raise InputError(
                f"expected a threshold of 1 to {len(trusted)}, the number of keys that are "
                f"trusted, found {threshold!r:.40}"
            )
        object.__setattr__(self, "keys", trusted)
        object.__setattr__(self, "minimum_counter", check_counter(minimum_counter))
        object.__setattr__(self, "threshold", threshold)

    def check(self, statement: Statement, signatures: Iterable[Signature]) -> Accepted:
        """Compares the signatures of a statement with what is demanded.

        Those that do not count do no harm.

        Raises:
            SignatureError: too few signatures count.
        """
        counters: dict[Key, int] = {}
        reasons: list[str] = []
        for number, signature in enumerate(signatures):
            key = self.key_of(signature)
            reason = self.objection(statement, signature)
            if key is not None and reason is None:
                counters[key] = max(signature.counter, counters.get(key, 0))
            else:
                reasons.append(f"signature {number} {reason}")
        if len(counters) < self.threshold:
            raise SignatureError(self._refusal(statement, len(counters), reasons))
        ranked = sorted(counters.values(), reverse=True)
        return Accepted(tuple(key.id for key in counters), ranked[self.threshold - 1])

    def key_of(self, signature: Signature) -> Key | None:
        """The trusted key that a signature claims to be of, or None."""
        named = (signature.algorithm, signature.key)
        return next((key for key in self.keys if (key.algorithm.name, key.id) == named), None)

    def objection(self, statement: Statement, signature: Signature) -> str | None:
        """Why a signature of a statement does not count, or None.

        The words are to follow "signature".
        """
        key = self.key_of(signature)
        if key is None:
            if signature.algorithm not in ALGORITHMS:
                return f"is of the algorithm {signature.algorithm}, which is not known"
            return f"is by the key {signature.key.hex()}, which is not trusted"
        message = statement.signed(signature.algorithm, signature.key, signature.counter)
        sized = len(signature.signature) == key.algorithm.signature_size
        if not (sized and key.algorithm.verifies(message, signature.signature, key.data)):
            return (
                f"does not verify with the key {signature.key.hex()}: "
                f"the {statement.what} was changed, or it is another's"
            )
        if signature.counter < self.minimum_counter:
            return (
                f"has the counter {signature.counter}, less than {self.minimum_counter}: "
                f"an old {statement.what}"
            )
        return None

    def _refusal(self, statement: Statement, found: int, reasons: Sequence[str]) -> str:
        """The words for what does not meet the demands."""
        wanted = "a signature by a trusted key"
        if self.threshold > 1:
            wanted = f"signatures by {self.threshold} trusted keys"
        why = "; ".join(reasons) or ("it is not signed" if found == 0 else "no more are there")
        held = "none" if found == 0 else f"{found}"
        return (
            f"expected {wanted}, found {held}: {why}; get the {statement.what} from whom you trust"
        )


def _trusted(given: bytes | Key | Iterable[bytes | Key]) -> tuple[Key, ...]:
    """The keys that a caller gave, each once, in their order.

    Raises:
        InputError: there is no key, or something that is none.
    """
    alone = isinstance(given, bytes | bytearray | Key)
    if not (alone or isinstance(given, Iterable)):
        raise InputError(f"expected public keys as bytes, found {type(given).__name__}")
    several = cast("Iterable[bytes | Key]", [given] if alone else given)
    keys = tuple(dict.fromkeys(one if isinstance(one, Key) else Key(one) for one in several))
    if not keys:
        raise InputError("expected at least one public key to trust, found none")
    return keys
