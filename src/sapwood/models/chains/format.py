"""The chain file `ttchain/v1` from bytes and back: `spec/chain-v1.md` is the definition.

Everything is checked that can be without the bodies of the patches. Nothing here does IO.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence

from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.errors import InvalidPatch, TruncatedPatch, UnsupportedPatch
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.chains.versions import Chain, Link, Version
from sapwood.models.locating import located
from sapwood.patch.format.front import BYTE_ORDER, Header
from sapwood.patch.format.parsing import checked_front

MAGIC = b"\x89TTC\r\n\x1a\n"
MAJOR = 1
BLOCK = 64  # bytes: of the preamble and of a head; records are padded to it
START = struct.pack("<8sHH52x", MAGIC, MAJOR, BYTE_ORDER)  # the preamble
HEAD = struct.Struct("<IIQ32s")  # and its check
UNWRITTEN = bytes(BLOCK)  # where the head of a record will be
FORWARD, REVERSE = 1, 2  # kinds of records
MOST_LINKS = 16384


@dataclasses.dataclass(frozen=True, slots=True)
class ChainHead:
    """The head of a record.

    Attributes:
        kind: FORWARD or REVERSE.
        size: bytes of the patch.
        patch: the BLAKE3 that names it, 32 bytes.
    """

    kind: int
    size: int
    patch: bytes


def padding(size: int) -> int:
    """Bytes 0 behind a patch of `size` bytes."""
    return -size % BLOCK


def serialise_head(head: ChainHead) -> bytes:
    """The 64 bytes of a head."""
    fields = HEAD.pack(head.kind, 0, head.size, head.patch)
    return fields + _check_of(fields)


def _check_of(fields: bytes) -> bytes:
    """What a head ends with."""
    return blake3(fields).digest(BLOCK - HEAD.size)


def parse_chain(data: Bytes, limits: Limits = DEFAULT_LIMITS) -> Chain:
    """The links of a chain.

    Args:
        data: the whole file, borrowed; memory-mapped, as a rule. Of the patches their fronts
            are read.
        limits: what the front of each patch may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: and nothing else,
            whatever the bytes.
    """
    _check_start(data[:BLOCK].tobytes())
    links: list[Link] = []
    at = BLOCK
    while (head := _parse_head(data[at : at + BLOCK].tobytes(), at)) is not None:
        begin = at + BLOCK
        end = begin + head.size + padding(head.size)
        if end > len(data):
            break
        with located(f"record {len(links)} of the chain, at byte {at}"):
            links.append(_parse_link(data[begin:end], head, begin, links, limits))
        at = end
    if not links:
        raise TruncatedPatch("the chain has no whole link; get it anew")
    return Chain(tuple(links), at, len(data) - at)


def _check_start(start: bytes) -> None:
    """Refuses what does not begin as a chain.

    Raises:
        InvalidPatch: it is none.
        TruncatedPatch: it ends before the first record.
        UnsupportedPatch: it is of a later version.
    """
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        raise InvalidPatch(
            f"not a chain: expected it to begin with {MAGIC!r}, found {start[:8]!r}; "
            "name the file that `chain create` wrote",
            offset=0,
        )
    if len(start) < BLOCK:
        raise TruncatedPatch(
            f"the chain is cut off: expected a preamble of {BLOCK} bytes, found {len(start)}; "
            "get it anew"
        )
    major = int.from_bytes(start[8:10], "little")
    if major != MAJOR:
        raise UnsupportedPatch(
            f"expected a chain of version {MAJOR}, found {major}; update sapwood", offset=8
        )
    if start != START:
        raise InvalidPatch("the chain's preamble is damaged; get it anew", offset=10)


def _parse_head(data: bytes, at: int) -> ChainHead | None:
    """The head of a record, or None where it was not written to its end.

    Raises:
        InvalidPatch, UnsupportedPatch: it is damaged, or of another kind.
    """
    if len(data) < BLOCK or data == UNWRITTEN:
        return None
    if _check_of(data[: HEAD.size]) != data[HEAD.size :]:
        raise InvalidPatch("the head of a link of the chain is damaged; get it anew", offset=at)
    kind, zero, size, patch = HEAD.unpack_from(data)
    if kind not in {FORWARD, REVERSE} or zero:
        raise UnsupportedPatch(
            f"expected a link or a reverse in the chain, found kind {kind}; update sapwood",
            offset=at,
        )
    return ChainHead(kind, size, patch)


def _parse_link(
    record: Bytes, head: ChainHead, offset: int, before: Sequence[Link], limits: Limits
) -> Link:
    """A link, which fits those before.

    Args:
        record: the patch and its padding, borrowed.
        head: the head of the record.
        offset: the offset of the patch in the chain, bytes.
        before: the links that the chain has up to here.
        limits: what the front may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front of the
            patch is damaged, or it does not belong here.
    """
    patch, rest = record[: head.size], record[head.size :]
    if rest.any():
        raise InvalidPatch("expected bytes 0 behind the patch; get the chain anew")
    front = checked_front(patch, limits)
    check_link(front.header)
    preamble = front.preamble
    if preamble.digest != head.patch:
        raise InvalidPatch("another patch than the chain says; get the chain anew")
    size = preamble.front_size + preamble.body
    if size != head.size:
        raise InvalidPatch(
            f"a patch of {size} bytes, of which the chain says {head.size}; get the chain anew"
        )
    link = link_of(front.header, head, before, offset)
    wrong = objection(before, link)
    if wrong is not None:
        raise InvalidPatch(f"{wrong}; get the chain anew")
    return link


def check_link(header: Header) -> None:
    """That a patch may be a link.

    Raises:
        InvalidPatch: it is of a tensor or a folder, or has several bases.
    """
    if header.kind != "model":
        raise InvalidPatch(f"expected a patch of a file, found one of a {header.kind}")
    if len(header.bases) != 1:
        raise InvalidPatch(f"expected a patch of one base, found one of {len(header.bases)}")


def link_of(header: Header, head: ChainHead, before: Sequence[Link], offset: int) -> Link:
    """A patch as the next link, or as the reverse of the last one.

    Args:
        header: the header of the patch.
        head: the head of its record.
        before: the links that the chain has up to there.
        offset: the offset of the patch in the chain, bytes.
    """
    last = before[-1].number if before else -1
    reverse = head.kind == REVERSE
    return Link(
        number=max(last, 0) if reverse else last + 1,
        reverse=reverse,
        base=Version.of(header.bases[0]),
        target=Version.of(header.target),
        patch=head.patch,
        size=head.size,
        offset=offset,
    )


def objection(before: Sequence[Link], link: Link) -> str | None:
    """Why a link cannot come next in a chain, in words, or None."""
    last = before[-1] if before else None
    if link.reverse:
        if last is None or last.reverse:
            return "a reverse patch that no link stands before"
        if (link.base, link.target) != (last.target, last.base):
            return f"a reverse patch that does not lead back over link {last.number}"
        return None
    if link.number >= MOST_LINKS:
        return f"more than {MOST_LINKS} links; begin another chain"
    newest = None if last is None else last.base if last.reverse else last.target
    if newest is not None and link.base != newest:
        return (
            f"link {link.number} leads on from the version with SHA-256 {link.base.sha256.hex()}, "
            f"but the one before leads to {newest.sha256.hex()}"
        )
    return None
