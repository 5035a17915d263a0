"""Whatever has a statement can be signed and checked, by any algorithm that there is."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from typing import Any

import pytest

from sapwood.errors import InputError, SignatureError
from sapwood.trust import (
    ALGORITHMS,
    ED25519,
    Accepted,
    Algorithm,
    Key,
    Signature,
    Statement,
    Trust,
    sign,
)
from sapwood.trust.algorithms import KEY_ID
from sapwood.trust.algorithms.algorithm import sized
from sapwood.trust.signatures import LONGEST
from support.keys import keypair

pytestmark = pytest.mark.quick


def check_secret(key: bytes) -> bytes:
    return sized(key, 32, "a secret key")


def generate_secret() -> tuple[bytes, bytes]:
    return bytes(range(32)), bytes(range(32))


def secret_id(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=KEY_ID, person=b"id").digest()


def tag(message: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, message, "sha256")


def tags(message: bytes, signature: bytes, secret: bytes) -> bool:
    return hmac.compare_digest(signature, tag(message, secret))


# As a MAC is written when one comes: who checks has the key that signs.
MAC = Algorithm(
    name="test-mac",
    private_size=32,
    public_size=32,
    signature_size=32,
    generate_keypair=generate_secret,
    check_private_key=check_secret,
    check_public_key=check_secret,
    public_key_of=bytes,
    key_id=secret_id,
    sign=tag,
    verifies=tags,
)
EACH = pytest.mark.parametrize("algorithm", [*ALGORITHMS.values(), MAC], ids=lambda one: one.name)

CHAIN = Statement("chain", "ttchain/v1", (f"chain {'5a' * 32}", "links 3"))
PATCH = Statement("patch", "ttpatch/v1", CHAIN.facts)

PUBLIC, PRIVATE = keypair(1)
PUBLIC2, PRIVATE2 = keypair(2)
_, STRANGER_PRIVATE = keypair(3)
SECRET = bytes(range(32))


def refused(trust: Trust, signatures: list[Signature], statement: Statement = CHAIN) -> str:
    with pytest.raises(SignatureError) as caught:
        trust.check(statement, signatures)
    return str(caught.value)


@EACH
def test_what_every_algorithm_promises(algorithm: Algorithm) -> None:
    public, private = algorithm.generate_keypair()
    assert re.fullmatch(r"[a-z0-9-]{1,32}", algorithm.name)
    assert (len(public), len(private)) == (algorithm.public_size, algorithm.private_size)
    assert algorithm.check_public_key(public) == algorithm.public_key_of(private) == public
    assert algorithm.check_private_key(private) == private
    assert len(algorithm.key_id(public)) == KEY_ID
    signature = algorithm.sign(b"text", private)
    assert len(signature) == algorithm.signature_size <= LONGEST
    assert algorithm.verifies(b"text", signature, public)
    assert not algorithm.verifies(b"test", signature, public)
    for at in range(len(signature)):
        other = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        assert not algorithm.verifies(b"text", other, public)


@EACH
@pytest.mark.parametrize("key", [b"", bytes(31), bytes(65), "key", None], ids=str)
def test_what_no_algorithm_takes_for_a_key(algorithm: Algorithm, key: Any) -> None:
    for check in (algorithm.check_private_key, algorithm.check_public_key):
        with pytest.raises(InputError, match="expected"):
            check(key)
    with pytest.raises(InputError, match="expected"):
        Key(key, algorithm)


@EACH
def test_a_chain_is_signed_as_a_patch_is(algorithm: Algorithm) -> None:
    public, private = algorithm.generate_keypair()
    trust = Trust(Key(public, algorithm), minimum_counter=7)
    signature = sign(CHAIN, private, 7, algorithm)
    assert signature.algorithm == algorithm.name
    assert trust.check(CHAIN, [signature]) == Accepted((algorithm.key_id(public),), 7)
    assert "get the chain from whom you trust" in refused(trust, [])
    old = sign(CHAIN, private, 6, algorithm)
    assert "counter 6, less than 7: an old chain" in refused(trust, [old])
    raised = dataclasses.replace(old, counter=7)
    assert "the chain was changed, or it is another's" in refused(trust, [raised])


def test_the_lines_that_are_signed() -> None:
    signed = CHAIN.signed("ed25519", bytes(16), 9)
    assert signed == (
        b"sapwood-signature/v1\n"
        b"format ttchain/v1\n"
        b"chain 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\n"
        b"links 3\n"
        b"algorithm ed25519\n"
        b"key 00000000000000000000000000000000\n"
        b"counter 9\n"
    )


def test_a_signature_of_one_format_is_none_of_another() -> None:
    assert "does not verify" in refused(Trust(PUBLIC), [sign(CHAIN, PRIVATE, 0)], PATCH)


@pytest.mark.parametrize("line", ["", "a\nb", "a\r", "caf\u00e9", "a\x00", "a\tb"], ids=repr)
def test_what_is_no_line_of_a_statement(line: str) -> None:
    """With a line end in it, one thing's facts could be written as another's."""
    for statement in (("ttchain/v1", ("links 3", line)), (line, ())):
        with pytest.raises(InputError, match="printable ASCII"):
            Statement("chain", *statement)


def test_a_threshold_over_keys_of_two_algorithms() -> None:
    trust = Trust([PUBLIC, PUBLIC2, Key(SECRET, MAC)], minimum_counter=3, threshold=2)
    by_key, by_mac = sign(CHAIN, PRIVATE, 5), sign(CHAIN, SECRET, 4, MAC)
    assert trust.check(CHAIN, [by_key, by_mac]).counter == 4
    assert trust.check(CHAIN, [by_key, by_mac, sign(CHAIN, PRIVATE2, 9)]).counter == 5
    assert "by 2 trusted keys, found 1" in refused(trust, [by_mac, by_mac])
    low = sign(CHAIN, SECRET, 2, MAC)
    assert "found 1: signature 1 has the counter 2" in refused(trust, [by_key, low])


def test_strangers_do_no_harm_and_do_not_count() -> None:
    stranger, unknown = sign(CHAIN, STRANGER_PRIVATE, 9), sign(CHAIN, SECRET, 9, MAC)
    assert Trust(PUBLIC).check(CHAIN, [stranger, unknown, sign(CHAIN, PRIVATE, 1)]).counter == 1
    words = refused(Trust(PUBLIC), [stranger, unknown])
    assert "which is not trusted" in words
    assert "the algorithm test-mac, which is not known" in words


def test_a_public_key_is_never_taken_for_the_secret_of_a_mac() -> None:
    """Everybody knows it, and could make tags with it under the name of the other algorithm."""
    forged = sign(CHAIN, PUBLIC, 0, MAC)
    for key in (MAC.key_id(PUBLIC), ED25519.key_id(PUBLIC)):
        for name in (MAC.name, ED25519.name):
            one = dataclasses.replace(forged, key=key, algorithm=name)
            refused(Trust([PUBLIC, Key(SECRET, MAC)]), [one])


def test_a_signature_of_another_length_never_verifies() -> None:
    """Its end, or the beginning of what it is of, must not be taken for the other."""
    one = sign(CHAIN, PRIVATE, 0)
    for other in (b"", one.signature[:-1], one.signature + b"s"):
        words = refused(Trust(PUBLIC), [dataclasses.replace(one, signature=other)])
        assert "does not verify" in words


def test_trust_is_one_value_however_it_is_spelled() -> None:
    one = Trust(PUBLIC)
    assert one == Trust([PUBLIC]) == Trust((Key(PUBLIC), PUBLIC)) == Trust(Key(PUBLIC))
    assert one.keys == (Key(PUBLIC),)
    assert (one.minimum_counter, one.threshold) == (0, 1)
    assert len({one, Trust([PUBLIC]), Trust([PUBLIC], 1)}) == 2
    assert dataclasses.replace(one, minimum_counter=8) == Trust(PUBLIC, 8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.threshold = 0  # type: ignore[misc]


def test_a_secret_is_not_shown() -> None:
    assert repr(Trust(Key(SECRET, MAC))) == (
        f"Trust(keys=(Key(test-mac {MAC.key_id(SECRET).hex()}),), minimum_counter=0, threshold=1)"
    )


@pytest.mark.parametrize("keys", [[], [PUBLIC, b""], PRIVATE, b"", "key", None, 7, [None]], ids=str)
def test_whom_nobody_can_trust(keys: Any) -> None:
    with pytest.raises(InputError, match="public key"):
        Trust(keys)


@pytest.mark.parametrize("threshold", [0, 3, -1, True, 1.0, "1"], ids=repr)
def test_a_threshold_that_cannot_be_met(threshold: Any) -> None:
    with pytest.raises(InputError, match="threshold of 1 to 2"):
        Trust([PUBLIC, PUBLIC2], threshold=threshold)


@pytest.mark.parametrize("counter", [-1, 2**63, True, 1.0, "1"], ids=repr)
def test_a_minimum_counter_that_is_none(counter: Any) -> None:
    with pytest.raises(InputError, match="expected a counter"):
        Trust(PUBLIC, minimum_counter=counter)
