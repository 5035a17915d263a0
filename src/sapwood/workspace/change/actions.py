"""What an update does to a file, by policy and by state."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from sapwood.package import Policy, PolicyRule
from sapwood.workspace.disk.states import Action, State

FOLLOWING: Mapping[State, Action] = {
    State.IDENTICAL: Action.ADOPT,
    State.ADDED: Action.INSTALL,
    State.OUTDATED: Action.REPLACE,
    State.MODIFIED: Action.KEEP,
    State.CONFLICT: Action.LAY_BESIDE,
    State.DELETED: Action.KEEP,
    State.COLLISION: Action.LAY_BESIDE,
    State.RETIRED: Action.REMOVE,
    State.ORPHAN: Action.KEEP,
    State.GONE: Action.FORGET,
    State.BLOCKED: Action.SKIP,
    State.FOREIGN: Action.NOTHING,
}
"""What is done about a file that follows the template."""


ACTIONS: Mapping[Policy, Mapping[State, Action]] = {
    Policy.UPDATE: FOLLOWING,
    Policy.WEIGHTS: FOLLOWING,
    Policy.PROTECT: {
        **FOLLOWING,
        State.OUTDATED: Action.HOLD,
        State.CONFLICT: Action.KEEP,
        State.RETIRED: Action.KEEP,
    },
    Policy.ONCE: {
        **FOLLOWING,
        State.OUTDATED: Action.KEEP,
        State.CONFLICT: Action.KEEP,
        State.COLLISION: Action.KEEP,
        State.RETIRED: Action.KEEP,
    },
    Policy.GENERATED: {
        **FOLLOWING,
        State.MODIFIED: Action.REPLACE,
        State.CONFLICT: Action.REPLACE,
        State.DELETED: Action.INSTALL,
        State.COLLISION: Action.REPLACE,
        State.ORPHAN: Action.REMOVE,
    },
}
"""What is done by policy. `action_for` adds what options and other lines of a manifest say."""


class ModuleRequest(enum.StrEnum):
    """What the user asks for of the files of one module, whatever their policies."""

    UPDATE = "update"  # the template's, unless only the user changed it
    RESET = "reset"  # the template's


TO_LATEST: Mapping[State, Action] = {
    State.OUTDATED: Action.REPLACE,
    State.CONFLICT: Action.REPLACE,
    State.COLLISION: Action.REPLACE,
    State.DELETED: Action.INSTALL,
}


ON_REQUEST: Mapping[ModuleRequest, Mapping[State, Action]] = {
    ModuleRequest.UPDATE: TO_LATEST,
    ModuleRequest.RESET: {
        **TO_LATEST,
        State.MODIFIED: Action.REPLACE,
        State.RETIRED: Action.KEEP,
        State.ORPHAN: Action.KEEP,
    },
}
"""What is done on request; for other states as the policy says."""


def action_for(
    rule: PolicyRule,
    state: State,
    *,
    replace: bool,
    retired: bool,
    asked: ModuleRequest | None = None,
) -> Action:
    """What is done about a file.

    Args:
        rule: the file's policy.
        state: state of the file.
        replace: whether files in conflict are to be backed up and replaced.
        retired: whether the template says that the file is to leave.
        asked: what the user asks for of this file. Only a reset is for files that are
            installed `once`.
    """
    if asked is ModuleRequest.RESET or (
        asked is ModuleRequest.UPDATE and rule.policy is not Policy.ONCE
    ):
        wanted = ON_REQUEST[asked].get(state)
        if wanted is not None:
            return wanted
    action = ACTIONS[rule.policy][state]
    if action is Action.LAY_BESIDE and replace and rule.policy is not Policy.PROTECT:
        return Action.REPLACE
    if state is State.DELETED and rule.restore:
        return Action.INSTALL
    if state is State.RETIRED and retired:
        return Action.REMOVE
    return action
