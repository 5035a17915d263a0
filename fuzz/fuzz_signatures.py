"""Fuzzes signatures with atheris: in headers, in files beside a patch, and keys.

    python fuzz/fuzz_signatures.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/signatures

Whatever the bytes: only errors of sapwood.errors come out, what is parsed is written again as
it was, and a patch is taken only with a signature that a trusted key makes of it.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from typing import TypeVar

from fuzz_patch import refused

from sapwood.models import create_patch
from sapwood.patch.format.front import PREAMBLE
from sapwood.patch.format.parsing import checked_front
from sapwood.patch.signatures import (
    check_patch,
    list_signatures,
    parse_detached,
    serialise_detached,
    sign_detached,
    sign_front,
    signatures_of,
)
from sapwood.patch.signatures.fronts import FIELD, HEADER_LENGTH, parse_list, with_header
from sapwood.trust import Signature, Trust, key_id
from sapwood.trust.algorithms.ed25519 import check_public_key, library

MINIMUM = 3  # of the counters that are taken
Result = TypeVar("Result")


def keypair(number: int) -> tuple[bytes, bytes]:
    """The public and the private key of a seed, the same in every run."""
    public, private = library().crypto_sign_seed_keypair(bytes([number]) * 32)
    return public, private


@functools.cache
def trusted() -> dict[bytes, bytes]:
    """Two private keys by the ids of their public ones."""
    return {key_id(public): private for public, private in map(keypair, (1, 2))}


@functools.cache
def demands() -> Trust:
    """What is demanded of every patch here: a signature by one of the two."""
    return Trust([keypair(1)[0], keypair(2)[0]], MINIMUM)


@functools.cache
def bare_patch() -> bytes:
    """A small patch without signatures."""
    out = io.BytesIO()
    create_patch(b"0123456789" * 9, b"0123456789" * 8 + b"changed", out, threads=1)
    return out.getvalue()


def signed_patch() -> bytes:
    """The patch with a signature by each of the two keys, and by a stranger."""
    front = bare_patch()[: front_size(bare_patch())]
    for number, counter in ((1, MINIMUM), (9, 7), (2, 2**63 - 1)):
        front = sign_front(checked_front(front), keypair(number)[1], counter)
    return front + bare_patch()[front_size(bare_patch()) :]


def front_size(patch: bytes) -> int:
    """Bytes of a patch before its body, whose size the preamble tells."""
    *_, body_size, _, _ = PREAMBLE.unpack_from(patch)
    return len(patch) - int(body_size)


def one_input(data: bytes) -> None:
    """One run: `data` as a patch, a file of signatures, their list in a header, and a key."""
    as_patch(data)
    as_detached(data)
    as_list(data)
    refused(check_public_key, data)


def as_patch(data: bytes) -> None:
    """As a patch with or without signatures."""
    refused(lambda one: list_signatures(checked_front(one), Trust(keypair(1)[0])), data)
    if taken(data):
        expect_genuine(data, signatures_of(checked_front(data)))


def as_detached(data: bytes) -> None:
    """As a file beside the patch."""
    found = result(parse_detached, data)
    if found is not None and serialise_detached(*found) != data.removesuffix(b"\n") + b"\n":
        raise AssertionError("a file of signatures that has two spellings")
    if taken(bare_patch(), data):
        expect_genuine(bare_patch(), parse_detached(data)[1])


def as_list(data: bytes) -> None:
    """As the list in a header, with digests that are right."""
    patch = bare_patch()
    front = patch[: front_size(patch)]
    length = int.from_bytes(front[HEADER_LENGTH], "little")
    header = front[PREAMBLE.size : PREAMBLE.size + length]
    forged = with_header(front, length, FIELD + data + b"," + header[1:])
    if taken(forged + patch[len(front) :]):
        expect_genuine(patch, parse_list(data))


def taken(patch: bytes, *detached: bytes) -> bool:
    """Whether the patch is as demanded."""
    return (
        result(lambda one: check_patch(checked_front(one), demands(), detached), patch) is not None
    )


def result(read: Callable[[bytes], Result], data: bytes) -> Result | None:
    """What a reader gives, or None where it raises one of our errors."""
    found: list[Result] = []
    refused(lambda one: found.append(read(one)), data)
    return found[0] if found else None


def expect_genuine(patch: bytes, signatures: tuple[Signature, ...]) -> None:
    """That one of the signatures is what a trusted key makes: with Ed25519 there is only one."""
    for one in signatures:
        private = trusted().get(one.key)
        if private is not None and one.counter >= MINIMUM:
            _, made = sign_detached(checked_front(patch), private, one.counter)
            if made == one:
                return
    raise AssertionError("taken without a signature that a trusted key made")


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
