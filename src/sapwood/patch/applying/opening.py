"""A patch that was opened: its front parsed, its body still to be checked."""

from __future__ import annotations

import dataclasses

import numpy as np

from sapwood.codec import Tables, parse_tables
from sapwood.content.content import Content
from sapwood.content.digests import blake3_digest
from sapwood.content.parts import rest
from sapwood.errors import InvalidPatch, TruncatedPatch
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.patch.format.front import Front
from sapwood.patch.format.parsing import CheckedFront, checked_front, parse_rest


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OpenPatch:
    """A patch whose front was checked.

    Attributes:
        front: the front, parsed.
        tables: the patch's tables by number, ready for the kernel.
        body: the payloads, borrowed; memory-mapped, as a rule.
    """

    front: Front
    tables: tuple[Tables, ...]
    body: Content

    def check_body(self, threads: int = 1) -> None:
        """Compares the digest of all payloads.

        Raises:
            InvalidPatch: it differs.
        """
        if blake3_digest(self.body, threads) != self.front.body_digest:
            raise InvalidPatch("damaged body: its digest differs; get the patch anew")


def open_patch(data: Content, limits: Limits = DEFAULT_LIMITS) -> OpenPatch:
    """Opens a whole patch in memory, memory-mapped or elsewhere; of its body nothing is read.

    Args:
        data: the patch file, borrowed.
        limits: what its front and its chunks may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is
            damaged, the file cut off or too long.
    """
    return open_checked(checked_front(data, limits), data, limits)


def open_checked(
    checked: CheckedFront, data: Content, limits: Limits = DEFAULT_LIMITS
) -> OpenPatch:
    """Opens a patch of which the front was read already, and goes on where that ended.

    Args:
        checked: the front of this patch.
        data: the patch file, borrowed.
        limits: what its front and its chunks may take.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: as `open_patch`.
    """
    front = parse_rest(checked, limits)
    check_length(front.size + front.body_size, len(data))
    tables = tuple(parse_tables(np.frombuffer(one, np.uint8)) for one in front.tables)
    return OpenPatch(front, tables, rest(data, front.size))


def check_length(expected: int, found: int) -> None:
    """Compares the bytes that a patch should have with those that are there.

    Raises:
        TruncatedPatch, InvalidPatch: there are fewer, or more.
    """
    if found < expected:
        raise TruncatedPatch(
            f"cut off: expected {expected} bytes, found {found}; get the patch anew"
        )
    if found > expected:
        raise InvalidPatch(f"{found - expected} bytes after the end; get the patch anew")
