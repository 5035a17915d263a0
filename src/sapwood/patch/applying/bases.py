"""The bases of a patch, found by their digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sapwood.codec.chunk import Coding
from sapwood.content.content import Content
from sapwood.content.digests import blake3_digest
from sapwood.errors import SourceHashMismatch
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import BASE_CODED, CODING_WORDS, FileDigest

Given = TypeVar("Given", bound=Content)
Other = TypeVar("Other")


def matched_bases(patch: OpenPatch, given: Iterable[Given], threads: int) -> list[Given]:
    """The bases in the patch's order, told by their digests.

    Args:
        patch: the opened patch.
        given: the bases in any order; more than the patch needs will do. What comes after the
            last that is needed is not asked for.
        threads: how many threads hash at once.

    Raises:
        SourceHashMismatch: a base that the patch was made from is not among them.
    """
    return matched(patch, given, lambda data: data, threads)


def check_forced(patch: OpenPatch, given: Iterable[Content], threads: int) -> None:
    """Tells a wrong base, against which a patch was decoded by force, from a damaged patch.

    Args:
        patch, given, threads: as of `matched_bases`.

    Raises:
        SourceHashMismatch: the base is wrong; with why force does not help.
    """
    try:
        matched_bases(patch, given, threads)
    except SourceHashMismatch as e:
        raise e.before(no_help_in_force(patch)) from e


def no_help_in_force(patch: OpenPatch) -> str:
    """Why a patch cannot be decoded against whatever it is forced on."""
    codings = {chunk.coding for segment in patch.front.segments for chunk in segment.chunks}
    words = " and ".join(CODING_WORDS[one] for one in Coding if one in codings & BASE_CODED)
    return (
        f"force does not help here: how {words or 'its'} chunks are coded depends on the base's "
        "elements, and they decode only against those, or others as large"
    )


def matched(
    patch: OpenPatch, given: Iterable[Other], content: Callable[[Other], Content], threads: int
) -> list[Other]:
    """As `matched_bases`, of things of which `content` gives the contents."""
    expected = patch.front.header.bases
    wanted = {(one.size, one.blake3) for one in expected}
    sizes = {one.size for one in expected}
    found: dict[tuple[int, bytes], Other] = {}
    seen: list[tuple[int, bytes | None]] = []
    for one in given:
        data = content(one)
        digest = None
        if len(data) in sizes:  # others need no hashing
            digest = blake3_digest(data, threads)
            if (len(data), digest) in wanted:
                found[len(data), digest] = one
        seen.append((len(data), digest))
        if len(found) == len(wanted):
            return [found[base.size, base.blake3] for base in expected]
    if len(expected) == len(seen) == 1:
        raise wrong_base(expected[0], *seen[0])
    missing = [one for one in expected if (one.size, one.blake3) not in found]
    raise SourceHashMismatch(
        f"wrong bases: the patch is made from {len(expected)}; of the {len(seen)} looked at "
        f"{len(expected) - len(missing)} fit; missing: "
        + "; ".join(_described(one) for one in missing)
        + "; give all of them, in any order"
    )


def _described(base: FileDigest) -> str:
    """A base by all that a patch knows of it."""
    name = "" if base.name is None else f"{base.name!r}, "
    return f"{name}{base.size} bytes with BLAKE3 {base.blake3.hex()}"


def wrong_base(expected: FileDigest, size: int, digest: bytes | None) -> SourceHashMismatch:
    """What is wrong with the only base that was given, where one was expected.

    Args:
        expected: the base that the patch was made from.
        size: bytes of the base that was given.
        digest: BLAKE3 of the base that was given; None where its size is another.
    """
    if digest is None:
        return SourceHashMismatch(
            f"wrong base: expected {expected.size} bytes with BLAKE3 {expected.blake3.hex()}, "
            f"found {size} bytes; apply the patch to the base that it was made from"
        )
    return SourceHashMismatch(
        f"wrong base: expected BLAKE3 {expected.blake3.hex()}, found {digest.hex()}; "
        "apply the patch to the base that it was made from"
    )
