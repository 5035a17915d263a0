"""Damaged and hostile chains: always one of our errors, in bounded memory, never wrong data."""

from __future__ import annotations

import functools
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood import models
from sapwood.errors import (
    InvalidPatch,
    LimitExceeded,
    SapwoodError,
    TruncatedPatch,
)
from sapwood.limits import Limits
from sapwood.models.chains.format import MOST_LINKS
from support.chain_files import (
    START,
    Record,
    chain_of,
    made,
    opened,
    patch_between,
    spans,
    written,
)
from support.hostile_chains import FILES, HOSTILE, PATCH

CHAIN = chain_of(FILES)
ONE_WAY = chain_of(FILES, reverse=False)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_chain_is_refused(case: str) -> None:
    chain, error = HOSTILE[case]
    out = io.BytesIO()
    for use in (
        lambda: models.chain_info(chain),
        lambda: models.apply_chain(FILES[0], chain, out),
        lambda: models.extract_patch(chain, 0, out),
        lambda: models.squash_chain(FILES[0], chain, out),
    ):
        with pytest.raises(error) as raised:
            use()
        assert len(str(raised.value)) < 1000
    assert out.getvalue() == b""


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_chain_is_not_appended_to(case: str, tmp_path: Path) -> None:
    chain, error = HOSTILE[case]
    path = tmp_path / "chain"
    path.write_bytes(chain)
    with pytest.raises(error):
        models.append_to_chain(path, PATCH)
    assert path.read_bytes() == chain


def attempt(chain: bytes) -> set[bytes]:
    """What chains make that may be damaged; anything but our errors comes out."""
    found: set[bytes] = set()
    try:
        count = len(models.chain_info(chain).versions)
    except SapwoodError:
        return found
    for source in FILES:
        for to in range(count):
            out = io.BytesIO()
            try:
                models.apply_chain(source, chain, out, to=to, receiving=models.Receiving(threads=1))
            except SapwoodError:
                assert out.getvalue() == b""
            else:
                found.add(out.getvalue())
    return found


def test_every_prefix_is_a_shorter_chain_or_refused() -> None:
    ends = {end for _, end in spans(CHAIN)}
    for length in range(len(CHAIN)):
        whole = max((end for end in ends if end <= length), default=0)
        if not whole:
            with pytest.raises(TruncatedPatch):
                opened(CHAIN[:length])
            continue
        found = opened(CHAIN[:length])
        assert (found.size, found.unfinished) == (whole, length - whole)
        assert found.links == opened(CHAIN).links[: len(found.links)]


def test_every_flipped_bit_is_refused_or_harmless() -> None:
    chain = bytearray(ONE_WAY)
    for bit in range(8 * len(chain)):
        chain[bit // 8] ^= 1 << bit % 8
        assert attempt(bytes(chain)) <= set(FILES)
        chain[bit // 8] ^= 1 << bit % 8
    assert bytes(chain) == ONE_WAY


def test_what_opening_reads_is_checked_bit_by_bit() -> None:
    chain = bytearray(CHAIN)
    bodies = [(body_of(chain, one.offset), one.offset + one.size) for one in opened(CHAIN).links]
    for at in range(len(chain)):
        if any(begin <= at < end for begin, end in bodies):
            continue  # a body is checked when its patch is applied
        chain[at] ^= 1 << at % 8
        with pytest.raises(SapwoodError):
            opened(bytes(chain))
        chain[at] ^= 1 << at % 8


def body_of(chain: bytearray, offset: int) -> int:
    """Where the body of the patch begins that begins at an offset."""
    lengths = (chain[offset + at : offset + at + 4] for at in (12, 16, 24))
    return offset + 104 + sum(int.from_bytes(one, "little") for one in lengths)


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_are_refused(data: bytes) -> None:
    for chain in (data, START + data, START + Record(data).written() if len(data) > 104 else data):
        with pytest.raises(SapwoodError):
            models.chain_info(chain)


@given(st.data())
@settings(max_examples=150)
def test_any_row_of_records_gives_no_wrong_data(data: st.DataObject) -> None:
    pool = [patch_between(a, b) for a in FILES for b in FILES if a != b]
    records = data.draw(
        st.lists(st.builds(Record, st.sampled_from(pool), st.sampled_from([1, 2])), max_size=5)
    )
    tail = data.draw(st.binary(max_size=70))
    assert attempt(written(*records) + tail) <= set(FILES)


def test_a_header_that_claims_much_takes_no_memory() -> None:
    chain, _ = HOSTILE["a patch of 2^63 bytes"]
    tracemalloc.start()
    with pytest.raises(SapwoodError):
        opened(chain)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@functools.cache
def same() -> bytes:
    """The record of a patch that changes nothing: any number of them is a chain."""
    return Record(made(FILES[0], FILES[0])).written()


def test_links_without_end_are_refused() -> None:
    assert len(opened(START + 300 * same()).forward) == 300
    many = START + (MOST_LINKS + 1) * same()
    with pytest.raises(InvalidPatch, match=f"more than {MOST_LINKS} links"):
        opened(many)


def test_the_readers_limits_hold() -> None:
    with pytest.raises(LimitExceeded):
        models.chain_info(CHAIN, limits=Limits(front=100))
    out = io.BytesIO()
    big = tuple(bytes([i]) * 5000 for i in range(3))
    with pytest.raises(LimitExceeded):
        models.apply_chain(
            big[0], chain_of(big), out, receiving=models.Receiving(limits=Limits(chunk=1024))
        )
    assert out.getvalue() == b""
