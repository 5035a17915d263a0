"""Files that a template has only as patches: which of them can be made of what is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from packaging.version import Version

from sapwood.package import PatchOnly
from sapwood.workspace.disk.states import State

REMEDY = "take the full release"
IN_THE_WAY: Mapping[State, str] = {
    State.ADDED: "you have none",
    State.DELETED: "you deleted yours",
    State.MODIFIED: "you modified yours",
    State.CONFLICT: "you modified yours",
    State.COLLISION: "you have another file of that name",
}
"""Why a patch cannot be applied, whatever version it starts from."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """What can be made of files that a template has only as patches.

    Attributes:
        files: what the template has of these files, by path.
        versions: versions that installed files come from, by their paths.
    """

    files: Mapping[str, PatchOnly] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)


WHOLE = Reach()  # of a template that holds all of its files


def fault_of_reach(only: PatchOnly, state: State, version: str | None) -> str | None:
    """Why a file cannot be made from what is there, with what to do; None if it can.

    Args:
        only: what the template has of the file.
        state: state of the file.
        version: version that the installed one comes from, None where none is.
    """
    if state is not State.OUTDATED or version is None:
        return f"{only}, and {IN_THE_WAY.get(state, 'yours is another file')}: {REMEDY}"
    if Version(version) in only.bases:
        return None
    return f"{only}, and yours is of {version}: {REMEDY}"


def mismatch(only: PatchOnly) -> str:
    """Why a patch that starts from the right version cannot be applied."""
    return f"{only}, and it was made from other bytes than yours: {REMEDY}"
