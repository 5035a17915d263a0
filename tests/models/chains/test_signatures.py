"""Every link of a chain that is applied must be signed, where a key is trusted."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import pytest

from sapwood import models
from sapwood.errors import SignatureError
from support.chain_files import chain_of, made, versions

FILES = versions(4)
CHAIN = chain_of(FILES)
PUBLIC, PRIVATE = models.generate_keypair()


def trusting(public_key: bytes, minimum_counter: int = 0) -> models.Receiving:
    return models.Receiving(models.Trust(public_key, minimum_counter))


def applied(source: bytes, chain: bytes, receiving: models.Receiving, to: int = -1) -> bytes:
    out = io.BytesIO()
    models.apply_chain(source, chain, out, to=to, receiving=receiving)
    return out.getvalue()


def signed_chain(counters: list[int]) -> bytes:
    """A chain whose links, and their reverses, are signed with these counters."""
    out = io.BytesIO()
    pairs = list(itertools.pairwise(FILES))
    models.create_chain(
        [
            made(a, b, private_key=PRIVATE, counter=n)
            for (a, b), n in zip(pairs, counters, strict=True)
        ],
        out,
        reverse=[
            made(b, a, private_key=PRIVATE, counter=n)
            for (a, b), n in zip(pairs, counters, strict=True)
        ],
    )
    return out.getvalue()


def test_every_link_on_the_way_must_be_signed() -> None:
    chain = signed_chain([1, 2, 3])
    out = io.BytesIO()
    found = models.apply_chain(FILES[0], chain, out, receiving=trusting(PUBLIC, 1))
    assert out.getvalue() == FILES[3]
    assert (found.signature_valid, found.counter) == (True, 3)
    assert models.apply_chain(FILES[0], chain, io.BytesIO()).signature_valid is None
    found = models.apply_chain(FILES[3], chain, io.BytesIO(), receiving=trusting(PUBLIC))
    assert (found.signature_valid, found.counter) == (None, None)
    refusals: list[Callable[[], object]] = [
        lambda: applied(FILES[0], CHAIN, trusting(PUBLIC)),
        lambda: applied(FILES[0], chain, trusting(models.generate_keypair()[0])),
        lambda: applied(FILES[0], chain, trusting(PUBLIC, 2)),
        lambda: models.squash_chain(FILES[0], CHAIN, io.BytesIO(), receiving=trusting(PUBLIC)),
    ]
    for refusal in refusals:
        with pytest.raises(SignatureError, match="link 0 of the chain"):
            refusal()
    assert applied(FILES[1], chain, trusting(PUBLIC, 2)) == FILES[3]


def test_going_forward_counters_do_not_fall() -> None:
    chain = signed_chain([2, 2, 1])
    with pytest.raises(SignatureError, match="link 2 of the chain"):
        applied(FILES[0], chain, trusting(PUBLIC))
    assert applied(FILES[2], chain, trusting(PUBLIC)) == FILES[3]


def test_going_back_needs_no_higher_counter_than_demanded() -> None:
    chain = signed_chain([5, 6, 7])
    out = io.BytesIO()
    found = models.apply_chain(FILES[3], chain, out, to=0, receiving=trusting(PUBLIC, 5))
    assert (out.getvalue(), found.counter) == (FILES[0], 7)
    with pytest.raises(SignatureError, match="link 2 back"):
        # As a receiver that took link 2 with its counter, and kept it.
        applied(FILES[3], chain, trusting(PUBLIC, 8), to=0)
