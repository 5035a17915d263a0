"""Signs patches: inside of the front, or beside."""

from __future__ import annotations

from sapwood.content.content import Content
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.signatures.fronts import take_apart, with_signatures
from sapwood.trust import Signature, sign


def sign_front(
    data: Content, private_key: bytes, counter: int, limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """A front with a signature more; one of the same key before is replaced.

    Args:
        data: a patch or its front, signed or not.
        private_key: a key that `trust.check_private_key` has passed, 64 bytes.
        counter: a number that `trust.check_counter` has passed.
        limits: what the front may take.

    Returns:
        The whole front. The body stays what it is.

    Raises:
        InputError: the header cannot take a signature.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
    """
    front = take_apart(data, limits)
    new = sign(front.statement, private_key, counter)
    kept = [one for one in front.signatures if (one.key, one.algorithm) != (new.key, new.algorithm)]
    return with_signatures(front, [*kept, new])


def sign_detached(
    data: Content, private_key: bytes, counter: int, limits: Limits = DEFAULT_LIMITS
) -> tuple[bytes, Signature]:
    """A signature that stays outside of the patch, behind the digest of what it is of.

    Takes and raises what `sign_front` does.
    """
    front = take_apart(data, limits)
    return front.patch, sign(front.statement, private_key, counter)
