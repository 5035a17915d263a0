"""Fuzzes the reader of chains with atheris.

    python fuzz/fuzz_chain.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/chain

Whatever the bytes: only errors of sapwood.errors come out, a chain that opens is one by the
rules of the specification, and what applying one makes has the digest that the chain names.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import sys
from collections.abc import Callable

from blake3 import blake3

from sapwood import models
from sapwood.errors import SapwoodError
from sapwood.models import Chain

BLOCK = 64
START = b"\x89TTC\r\n\x1a\n\x01\x00\xff\xfe" + bytes(52)
FILES = (b"one version of something", b"another version of it", b"and one that is last")


def one_input(data: bytes) -> None:
    """One run: `data` as a chain, as changes to a good one, and as a recipe for records."""
    attempt(data)
    attempt(START + data)
    good = good_chain()
    if len(data) > 4:
        at = int.from_bytes(data[:2], "little") % len(good)
        attempt(good[:at] + data[2:] + good[at + len(data) - 2 :])
        attempt(good[: at - at % BLOCK] + data[2:])
    attempt(START + b"".join(map(record, data[:8])) + data[8:])


def attempt(chain: bytes) -> None:
    """Reads a chain and applies it; anything but our errors is a finding."""
    found = refused(lambda: models.chain_info(chain))
    if not isinstance(found, Chain):
        return
    check_rules(chain, found)
    for source in FILES:
        for to in range(min(4, len(found.versions))):
            out = io.BytesIO()
            applied = refused(functools.partial(apply, source, chain, out, to))
            if applied is None:
                if out.getvalue():
                    raise AssertionError("output in spite of an error")
            elif hashlib.sha256(out.getvalue()).digest() != found.versions[to].sha256:
                raise AssertionError("wrong data")
    for number in range(min(4, len(found.forward))):
        refused(functools.partial(models.extract_patch, chain, number, io.BytesIO()))


def apply(source: bytes, chain: bytes, out: io.BytesIO, to: int) -> object:
    """Applies a chain with one thread."""
    return models.apply_chain(source, chain, out, to=to, receiving=models.Receiving(threads=1))


def refused(read: Callable[[], object]) -> object:
    """Runs what may raise our errors; None after one."""
    try:
        return read()
    except SapwoodError as e:
        if len(str(e)) > 2000:
            raise AssertionError("an error that pours out the chain") from e
    return None


def check_rules(chain: bytes, found: Chain) -> None:
    """That a chain which was opened keeps the rules."""
    if found.size + found.unfinished != len(chain) or found.size % BLOCK:
        raise AssertionError("sizes that do not add up")
    for before, link in itertools.pairwise(found.forward):
        if before.target != link.base:
            raise AssertionError("links that do not follow")
    for link in found.links:
        patch = chain[link.offset : link.offset + link.size]
        if len(patch) != link.size or patch[72:104] != link.patch:
            raise AssertionError("a patch that is not where the chain says")
        forward = found.forward[link.number]
        if link.reverse and (link.base, link.target) != (forward.target, forward.base):
            raise AssertionError("a reverse that does not lead back")


def record(choice: int) -> bytes:
    """A record of a good patch between two files, of some kind, its head maybe wrong."""
    patches = good_patches()
    patch = patches[choice % len(patches)]
    kind = 2 if choice & 0x20 else 1
    size = len(patch) + (1 if choice & 0x40 else 0)
    fields = kind.to_bytes(4, "little") + bytes(4) + size.to_bytes(8, "little") + patch[72:104]
    head = fields + blake3(fields).digest(16)
    if choice & 0x80:
        head = bytes(BLOCK)
    return head + patch + bytes(-len(patch) % BLOCK)


@functools.cache
def good_patches() -> tuple[bytes, ...]:
    """Patches between all files, in a fixed order."""
    return tuple(made(a, b) for a in FILES for b in FILES)


def made(base: bytes, target: bytes) -> bytes:
    """The patch between two files."""
    out = io.BytesIO()
    models.create_patch(base, target, out, threads=1)
    return out.getvalue()


@functools.cache
def good_chain() -> bytes:
    """A chain through all files, and back."""
    out = io.BytesIO()
    pairs = list(itertools.pairwise(FILES))
    models.create_chain([made(a, b) for a, b in pairs], out, reverse=[made(b, a) for a, b in pairs])
    return out.getvalue()


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
