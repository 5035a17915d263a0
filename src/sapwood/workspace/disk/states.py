"""What can be said of a file, and what an update can do about it."""

from __future__ import annotations

import dataclasses
import enum
from typing import TypeAlias

from sapwood.package import FileIdentity


class State(enum.StrEnum):
    """How a file on disk relates to what was installed and to what the template holds."""

    IDENTICAL = "identical"  # it is what the template holds
    ADDED = "added"  # new in the template
    OUTDATED = "outdated"  # as it was installed; the template has another
    MODIFIED = "modified"  # the user's; the template has not changed
    CONFLICT = "conflict"  # the user's, and the template changed too
    DELETED = "deleted"  # the user deleted it
    COLLISION = "collision"  # new in the template, and the user has another of that name
    RETIRED = "retired"  # as it was installed; no longer in the template
    ORPHAN = "orphan"  # the user's; no longer in the template
    GONE = "gone"  # neither on disk nor in the template
    BLOCKED = "blocked"  # a link, a folder or something unreadable is in its place
    FOREIGN = "foreign"  # none of the template's


class Action(enum.StrEnum):
    """What an update does about a file."""

    NOTHING = "nothing"
    ADOPT = "adopt"  # take down that it is the template's
    INSTALL = "install"  # write it where nothing is
    REPLACE = "replace"  # back up, then write
    SET_MODE = "set mode"  # make it executable, or no longer
    MERGE = "merge"  # back up, then write a notebook made of both, cell by cell
    REMOVE = "remove"  # back up, then remove
    KEEP = "keep"  # the user's version stays
    HOLD = "hold"  # protected and not modified: say that an update is there
    LAY_BESIDE = "lay beside"  # keep, and put the template's under incoming/
    UNREACHABLE = "unreachable"  # keep: the template has only patches, and none starts from it
    FORGET = "forget"  # drop it from the record
    SKIP = "skip"  # something is in the way


@dataclasses.dataclass(frozen=True, slots=True)
class Blocked:
    """Why a file cannot be touched.

    Attributes:
        reason: what is in its place, as 'a link'.
    """

    reason: str


OnDisk: TypeAlias = FileIdentity | Blocked | None
"""What is on disk under a name: a file, something in the way, or nothing."""


def state_of(recorded: FileIdentity | None, found: OnDisk, new: FileIdentity | None) -> State:
    """The state of a file.

    Args:
        recorded: what was installed, None for nothing.
        found: what is on disk.
        new: what the template holds, None for nothing.
    """
    if isinstance(found, Blocked):
        return State.BLOCKED
    b, c, n = (None if one is None else one.hash for one in (recorded, found, new))
    if c == n:  # first: whoever has applied a fix by hand is done
        return State.GONE if c is None else State.IDENTICAL
    if n is None:
        if b is None:
            return State.FOREIGN
        return State.RETIRED if c == b else State.ORPHAN
    if c is None:
        return State.ADDED if b is None else State.DELETED
    if b is None:
        return State.COLLISION
    if c == b:
        return State.OUTDATED
    return State.MODIFIED if n == b else State.CONFLICT
