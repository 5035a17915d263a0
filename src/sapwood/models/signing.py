"""Signs patches, and holds them against what their receiver demands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from sapwood.codec.chunk import Bytes
from sapwood.errors import InputError, IoError, SignatureError
from sapwood.models.files import Output, Source, atomic_output, read_source, unchanged
from sapwood.models.results import PatchVerification
from sapwood.patch.applying import OpenPatch, open_patch
from sapwood.patch.contents import stripes
from sapwood.patch.format import DEFAULT_LIMITS, Limits
from sapwood.patch.pipeline import thread_count
from sapwood.patch.writing import write_all
from sapwood.trust import (
    LARGEST_FILE,
    Accepted,
    Policy,
    check_counter,
    check_patch,
    check_private_key,
    serialise_detached,
    sign_detached,
    sign_front,
)


def sign_patch(
    patch: Source,
    private_key: bytes,
    output: Output,
    *,
    counter: int = 0,
    detached: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
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
        opened = open_patch(data, limits)
        opened.check_body(thread_count(None))
        front = data[: opened.front.size]
        if detached:
            digest, signature = sign_detached(front, key, counter, limits)
            write_all(out, memoryview(serialise_detached(digest, [signature])))
        else:
            write_all(out, memoryview(sign_front(front, key, counter, limits)))
            for stripe in stripes(opened.body):
                write_all(out, stripe.data)


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
    return partial(seal, private_key=key, counter=counter)


def seal(front: bytes, *, private_key: bytes, counter: int) -> bytes:
    """A front with a signature."""
    data = read_source(front)
    return sign_front(data, private_key, counter)


@dataclasses.dataclass(frozen=True, slots=True)
class Demands:
    """What a receiver demands of a patch, and the signatures that came beside it.

    Attributes:
        policy: None where nothing is demanded.
        detached: contents of files of signatures.
    """

    policy: Policy | None
    detached: tuple[bytes, ...]

    @classmethod
    def of(
        cls,
        public_key: bytes | Sequence[bytes] | None,
        signature: Source | Sequence[Source] | None = None,
        minimum_counter: int = 0,
        threshold: int = 1,
    ) -> Demands:
        """Demands from the arguments of `apply_patch`.

        Raises:
            InputError: they contradict each other: whoever demands anything must say whom he
                trusts, lest nothing be checked.
            IoError: a file of signatures cannot be read.
        """
        if public_key is None:
            if signature is not None or minimum_counter != 0 or threshold != 1:
                raise InputError(
                    "signature, minimum_counter and threshold say nothing without a public_key; "
                    "give the key that you trust"
                )
            return cls(None, ())
        policy = Policy.of(public_key, minimum_counter, threshold)
        given = list(signature) if isinstance(signature, list | tuple) else [signature]
        files = [cast("Source", one) for one in given if one is not None]
        # One that is longer than any can be is refused when it is parsed.
        return cls(policy, tuple(read_source(one)[: LARGEST_FILE + 1].tobytes() for one in files))

    def check(self, data: Bytes, limits: Limits = DEFAULT_LIMITS) -> Accepted | None:
        """What the patch is accepted for; None where nothing is demanded.

        Raises:
            SignatureError: it is not signed as demanded.
            InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: its front is
                damaged.
        """
        if self.policy is None:
            return None
        return check_patch(data, self.policy, self.detached, limits)

    def judged(
        self,
        found: PatchVerification,
        data: Bytes,
        opened: OpenPatch,
        limits: Limits = DEFAULT_LIMITS,
    ) -> PatchVerification:
        """What was found of a patch, with what there is to say of its signatures.

        Raises:
            IoError: the patch changed meanwhile.
        """
        try:
            accepted = self.check(data, limits)
        except SignatureError as e:
            error = str(e) if found.error is None else f"{e}; {found.error}"
            return dataclasses.replace(found, signature_valid=False, error=error)
        if accepted is None:
            return found
        check_same(accepted, opened)
        return dataclasses.replace(found, signature_valid=True, counter=accepted.counter)


def check_same(accepted: Accepted | None, opened: OpenPatch) -> None:
    """That what was opened is what was accepted: a file may change between two looks.

    Raises:
        IoError: it is not.
    """
    if accepted is not None and accepted.digest != opened.front.digest:
        raise IoError("the patch changed while it was read, nothing was written; try again")
