"""Signs patches: inside of the front, or beside."""

from __future__ import annotations

from sapwood.patch.format.parsing import CheckedFront
from sapwood.patch.signatures.fronts import take_apart, with_signatures
from sapwood.trust import Signature, sign


def sign_front(front: CheckedFront, private_key: bytes, counter: int) -> bytes:
    """A front with a signature more; one of the same key before is replaced.

    Args:
        front: the front of a patch, signed or not.
        private_key: a key that `trust.check_private_key` has passed, 64 bytes.
        counter: a number that `trust.check_counter` has passed.

    Returns:
        The whole front. The body stays what it is.

    Raises:
        InputError: the header cannot take a signature.
        InvalidPatch: the list of signatures in the header is damaged.
    """
    parts = take_apart(front)
    new = sign(parts.statement, private_key, counter)
    kept = [one for one in parts.signatures if (one.key, one.algorithm) != (new.key, new.algorithm)]
    return with_signatures(parts, [*kept, new])


def sign_detached(front: CheckedFront, private_key: bytes, counter: int) -> tuple[bytes, Signature]:
    """A signature that stays outside of the patch, behind the digest of what it is of.

    Takes and raises what `sign_front` does.
    """
    parts = take_apart(front)
    return parts.patch, sign(parts.statement, private_key, counter)
