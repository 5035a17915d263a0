"""Signs patches: new ones, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sapwood.content.parts import stripes
from sapwood.errors import InputError
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.sources import Source, read_source, unchanged
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.models.results import PatchSigning
from sapwood.patch.applying.opening import open_checked
from sapwood.patch.format.parsing import checked_front
from sapwood.patch.signatures import serialise_detached, sign_detached, sign_front
from sapwood.trust import check_counter, check_private_key, key_id, public_key_of


def sign_patch(
    patch: Source,
    private_key: bytes,
    output: Output,
    *,
    counter: int = 0,
    detached: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> PatchSigning:
    """Signs a patch of model files or of a tensor.

    What is signed binds every byte of the patch but signatures themselves, base and target
    by their digests, the algorithm, the key and the counter. Signatures that the patch has
    already stay, but for one of the same key: to go over to another key, sign with both for
    a while.

    Args:
        patch: a path, bytes or a file object. Its digests are checked: what is signed is
            whole.
        private_key: of Ed25519, 64 bytes, as `generate_keypair` makes them.
        output: where the signed patch goes; a path may be that of `patch`. Readers that know
            nothing of signatures read it as well.
        counter: 0 to 2^63 - 1. Give each patch that you publish a higher one than the last,
            and receivers that keep it (`minimum_counter`) take no older patch.
        detached: write a small file of the signature alone, which is of the patch whether
            that has signatures inside or not.
        limits: memory that the patch may ask for.

    Returns:
        The key's id and the counter.

    Raises:
        InputError: the key is none, or the counter. PyNaCl is not installed.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the patch is damaged.
        IoError: a file cannot be read or written.
        After any of these the output is as it was.
    """
    key = check_private_key(private_key)
    check_counter(counter)
    with atomic_output(output) as out, unchanged(patch):
        data = read_source(patch)
        front = checked_front(data, limits)
        opened = open_checked(front, data, limits)
        opened.check_body(thread_count(None))
        if detached:
            digest, signature = sign_detached(front, key, counter)
            write_all(out, memoryview(serialise_detached(digest, [signature])))
        else:
            write_all(out, memoryview(sign_front(front, key, counter)))
            for stripe in stripes(opened.body):
                write_all(out, stripe.data)
    return _signing(key, counter)


def signing_of(private_key: bytes | None, counter: int) -> PatchSigning | None:
    """What is told of a patch that `sealing` has signed; None where there was no key."""
    return None if private_key is None else _signing(private_key, counter)


def _signing(private_key: bytes, counter: int) -> PatchSigning:
    return PatchSigning(key_id(public_key_of(private_key)), counter)


def sealing(private_key: bytes | None, counter: int) -> Callable[[bytes], bytes]:
    """What signs the front of a new patch; without a key it leaves the front as it is.

    Raises:
        InputError: the key is none, or the counter, or there is a counter without a key.
    """
    if private_key is None:
        if counter:
            raise InputError(f"the counter {counter!r:.40} is a signature's; give a private_key")
        return bytes
    key = check_private_key(private_key)
    check_counter(counter)
    return partial(_seal, private_key=key, counter=counter)


def _seal(front: bytes, *, private_key: bytes, counter: int) -> bytes:
    """A front with a signature."""
    return sign_front(checked_front(front), private_key, counter)
