"""Plans an update: pure data in, pure data out.

What is recorded, what is on disk, what the template holds and what it says of its files
give one change a path. Nothing here reads or writes; `staging` and `applying` do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from operator import itemgetter
from typing import TypeVar

from sapwood.documents.paths import folded
from sapwood.package import NOTEBOOK, FileIdentity, Module, PatchOnly, Policy, Rules
from sapwood.workspace.change.actions import ModuleRequest, action_for
from sapwood.workspace.change.reach import WHOLE, Reach, fault_of_reach
from sapwood.workspace.disk.states import Action, Blocked, OnDisk, State, state_of

Entry = TypeVar("Entry")

WRITING = frozenset({Action.INSTALL, Action.REPLACE, Action.MERGE, Action.SET_MODE, Action.REMOVE})
IN_CONFLICT = frozenset({Action.LAY_BESIDE, Action.SKIP, Action.UNREACHABLE})
BRINGING = frozenset({Action.INSTALL, Action.REPLACE, Action.MERGE, Action.LAY_BESIDE})
FROM_TEMPLATE = frozenset(
    {Action.ADOPT, Action.INSTALL, Action.REPLACE, Action.MERGE, Action.SET_MODE}
)
MERGED = frozenset({Policy.UPDATE, Policy.PROTECT})
NO_NOTEBOOK = "it cannot be read as a notebook"


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """The one module that a change is for.

    Attributes:
        module: module whose files are planned, and no others.
        asked: what the user asks for of these files, protected ones included.
    """

    module: Module
    asked: ModuleRequest

    def holds(self, path: str, old: str | None) -> bool:
        """Whether a file is the module's, under the name it has or under the one it had."""
        return self.module.holds(path) or (old is not None and self.module.holds(old))


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What is to be done about one path.

    Attributes:
        path: path of the file in the new version.
        state: state of the file.
        action: what is done about it.
        policy: policy that decided.
        recorded: what was installed, None for nothing.
        found: what is on disk; where `moved_from` is given, under that path.
        new: what the template holds, None for nothing.
        moved_from: path that the file has on disk and in the record, if the template renamed
            it.
        note: why the template changed it, as 'bug fix'.
        otherwise: what is done where a merge turns out to be impossible.
        unmerged: why a notebook is not merged although that was asked for.
        unmade: why an unreachable file cannot be made, and what to do.
    """

    path: str
    state: State
    action: Action
    policy: Policy
    recorded: FileIdentity | None = None
    found: OnDisk = None
    new: FileIdentity | None = None
    moved_from: str | None = None
    note: str | None = None
    otherwise: Action | None = None
    unmerged: str | None = None
    unmade: str | None = None

    @property
    def old_path(self) -> str:
        """Where the file is on disk and in the record: under the name that it had."""
        return self.path if self.moved_from is None else self.moved_from

    @property
    def is_update(self) -> bool:
        """Whether files of the user's are written, moved or removed."""
        moves = self.moved_from is not None and isinstance(self.found, FileIdentity)
        return self.action in WRITING or moves

    @property
    def is_conflict(self) -> bool:
        """Whether the user has to look at it."""
        return self.action in IN_CONFLICT

    def to_json(self) -> dict[str, str | None]:
        """The change as JSON values."""
        return {
            "path": self.path,
            "state": self.state.value,
            "action": self.action.value,
            "policy": self.policy.value,
            "note": self.note,
            "moved_from": self.moved_from,
            "unmerged": self.unmerged,
            "unmade": self.unmade,
        }

    def not_merged(self, reason: str) -> Change:
        """The change where a merge is impossible: as if none had been asked for."""
        action = self.action if self.otherwise is None else self.otherwise
        return dataclasses.replace(self, action=action, otherwise=None, unmerged=reason)

    def not_made(self, reason: str) -> Change:
        """The change where the template cannot make its file from what is there."""
        return dataclasses.replace(self, action=Action.UNREACHABLE, otherwise=None, unmade=reason)


def plan_changes(
    recorded: Mapping[str, FileIdentity],
    found: Mapping[str, OnDisk],
    new: Mapping[str, FileIdentity],
    rules: Rules,
    *,
    replace: bool = False,
    merge: bool = False,
    scope: Scope | None = None,
    reach: Reach = WHOLE,
) -> tuple[Change, ...]:
    """What an update would do.

    Args:
        recorded: what was installed, by path.
        found: what is on disk, by path; where a path is missing nothing is.
        new: what the template holds, by path.
        rules: what the template says of its files.
        replace: whether files in conflict are backed up and replaced, rather than kept
            with the template's beside them. Protected files are never replaced.
        merge: whether notebooks in conflict are merged by cell, protected ones too.
        scope: module that is asked for; by default all files, as their policies say.
        reach: files that the template has only as patches.

    Returns:
        A change for each path that is recorded or in the template, and in the scope: in
        the order of the policies, those of one policy by path. A file that was renamed has
        one change, under its new name.
    """
    moves = _renamed(recorded, found, new, rules.renames)
    again = _respelled(recorded, found, new)
    placed = []
    for path in sorted((recorded.keys() | new.keys()) - {*moves.values(), *again.values()}):
        moved_from = moves.get(path)
        if scope is not None and not scope.holds(path, moved_from):
            continue
        known = path if moved_from is None else moved_from
        b, c, n = recorded.get(again.get(path, known)), found.get(known), new.get(path)
        only = reach.files.get(path)
        if only is not None:
            n = only.identity(b)
        state = state_of(b, c, n)
        place, rule = rules.placed(path)
        retired = state is State.RETIRED and rules.is_retired(path)
        asked = None if scope is None else scope.asked
        action = action_for(rule, state, replace=replace, retired=retired, asked=asked)
        touched = rule.policy is not Policy.PROTECT or asked is not None
        if action is Action.ADOPT and touched and _mode_changed(b, c, n):
            action = Action.SET_MODE
        change = Change(path, state, action, rule.policy, b, c, n, moved_from)
        if merge and asked is not ModuleRequest.RESET:
            change = _merging(change)
        if only is not None:
            change = _reaching(change, only, reach.versions.get(known))
        placed.append((place, change))
    placed.sort(key=itemgetter(0))  # which keeps the order of paths
    return tuple(change for _, change in placed)


def _merging(change: Change) -> Change:
    """The change of a file if notebooks in conflict are to be merged."""
    notebook = change.path.endswith(NOTEBOOK)
    if not notebook or change.state is not State.CONFLICT or change.policy not in MERGED:
        return change
    contents = (change.recorded, change.found, change.new)
    if all(isinstance(one, FileIdentity) and one.by_cells for one in contents):
        return dataclasses.replace(change, action=Action.MERGE, otherwise=change.action)
    return change.not_merged(NO_NOTEBOOK)


def _reaching(change: Change, only: PatchOnly, version: str | None) -> Change:
    """The change of a file that the template has only as patches.

    Args:
        change: the file's change, as if the template held the file.
        only: what the template has of it.
        version: version that the installed file comes from, None where none is.
    """
    if change.action not in BRINGING:
        return change
    fault = fault_of_reach(only, change.state, version)
    return change if fault is None else change.not_made(fault)


def _renamed(
    recorded: Mapping[str, FileIdentity],
    found: Mapping[str, OnDisk],
    new: Mapping[str, FileIdentity],
    renames: Mapping[str, str],
) -> dict[str, str]:
    """The old path of each path that the template renamed and whose file can follow.

    A file follows where nothing of that name is recorded or on disk yet, and where it is
    not itself in the way of being read. Else the old name is a file that the template no
    longer has, and the new name one that it has added.
    """
    moves: dict[str, str] = {}
    for old in sorted(recorded.keys() & renames.keys()):
        now = renames[old]
        free = now not in recorded and found.get(now) is None and now not in moves
        if now in new and old not in new and free and not isinstance(found.get(old), Blocked):
            moves[now] = old
    return moves


def _respelled(
    recorded: Mapping[str, FileIdentity],
    found: Mapping[str, OnDisk],
    new: Mapping[str, FileIdentity],
) -> dict[str, str]:
    """The old path of each whose spelling alone the template changed, where that is one file.

    On file systems that fold case Readme.md is README.md: to remove the one is to remove the
    other. The file keeps the name that it has there.
    """
    dropped = {folded(path): path for path in recorded.keys() - new.keys()}
    spelled = {path: dropped.get(folded(path)) for path in new.keys() - recorded.keys()}
    return {
        path: old
        for path, old in spelled.items()
        if old is not None
        and isinstance(found.get(path), FileIdentity)
        and found.get(path) == found.get(old)
    }


def _mode_changed(recorded: FileIdentity | None, found: OnDisk, new: FileIdentity | None) -> bool:
    """Whether the template changed who may run a file, and the disk does not show it yet."""
    if recorded is None or new is None or not isinstance(found, FileIdentity):
        return False
    return recorded.executable != new.executable != found.executable


def recorded_after(change: Change, old: Entry | None, new: Entry | None) -> Entry | None:
    """What the record says of a path after its change.

    Args:
        change: the change that was made.
        old: what the record said of the file, under its old name if it was renamed.
        new: what it says of a file of the template.

    Returns:
        One of the two, or None where the record says nothing of it.
    """
    if change.action in FROM_TEMPLATE or change.state is State.MODIFIED:
        return new
    if change.action in {Action.REMOVE, Action.FORGET}:
        return None
    return old
