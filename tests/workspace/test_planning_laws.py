"""Laws of planning, over workspaces of any shape."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st
from packaging.version import Version

from sapwood.documents.patterns import Pattern
from sapwood.package import PatchOnly, Target
from sapwood.workspace import (
    Action,
    Blocked,
    Change,
    FileIdentity,
    Module,
    Policy,
    PolicyRule,
    Rules,
    State,
)
from sapwood.workspace.change.actions import ModuleRequest
from sapwood.workspace.change.planning import BRINGING, Scope, plan_changes, recorded_after
from sapwood.workspace.change.reach import Reach
from sapwood.workspace.disk.states import OnDisk

pytestmark = pytest.mark.quick

Situation: TypeAlias = tuple[
    dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
]
"""What is recorded, on disk and new, the rules, and whether to replace."""

PATHS = st.sampled_from(["a/1", "a/2", "b/1", "b/2", "c", "d"])
IDENTITY = st.builds(
    FileIdentity, st.sampled_from(["sha256:x", "sha256:y", "sha256:z"]), st.booleans()
)
FILES = st.dictionaries(PATHS, IDENTITY)
FOUND: st.SearchStrategy[OnDisk] = IDENTITY | st.just(Blocked("a link"))
RULE = st.builds(
    PolicyRule,
    st.sampled_from(["a/**", "b/**", "*", "**/1"]).map(Pattern.of),
    st.sampled_from(Policy),
    st.booleans(),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    recorded, found, new = draw(FILES), draw(st.dictionaries(PATHS, FOUND)), draw(FILES)
    targets = draw(st.dictionaries(PATHS, PATHS, max_size=2))
    renames = {a: b for a, b in targets.items() if a not in new and b not in targets}
    retired = tuple(map(Pattern.of, draw(st.lists(st.sampled_from(["a/**", "c"]), max_size=1))))
    rules = Rules(tuple(draw(st.lists(RULE, max_size=3))), renames, retired)
    return recorded, found, new, rules, draw(st.booleans())


def applied(
    changes: tuple[Change, ...], recorded: dict[str, FileIdentity], found: dict[str, OnDisk]
) -> tuple[dict[str, FileIdentity], dict[str, OnDisk]]:
    """Record and disk after a plan, as the engine brings them about."""
    after, disk = dict(recorded), dict(found)
    for change in changes:
        known = change.moved_from or change.path
        old = after.pop(known, None)
        here = disk.pop(known, None)
        entry = recorded_after(change, old, change.new)
        if entry is not None:
            after[change.path] = entry
        if change.action in {Action.INSTALL, Action.REPLACE}:
            here = change.new
        if change.action is Action.SET_MODE and isinstance(here, FileIdentity) and change.new:
            here = FileIdentity(here.hash, change.new.executable)
        if change.action is Action.REMOVE:
            here = None
        if here is not None:
            disk[change.path] = here
    return after, disk


@given(situations())
def test_each_file_has_one_change_and_all_have_one(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    changes = plan_changes(recorded, found, new, rules, replace=replace)
    names = [one.path for one in changes] + [one.moved_from for one in changes if one.moved_from]
    assert sorted(names) == sorted(recorded.keys() | new.keys())


@given(situations())
def test_the_plan_is_the_same_whatever_the_order(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    backwards = [dict(reversed(one.items())) for one in (recorded, new)]
    turned: dict[str, OnDisk] = dict(reversed(found.items()))
    assert plan_changes(recorded, found, new, rules, replace=replace) == plan_changes(
        backwards[0], turned, backwards[1], rules, replace=replace
    )


@given(situations())
def test_a_second_update_has_nothing_to_do(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    first = plan_changes(recorded, found, new, rules, replace=replace)
    after, disk = applied(first, recorded, found)
    second = plan_changes(after, disk, new, rules, replace=replace)
    assert [one for one in second if one.is_update] == []
    assert applied(second, after, disk) == (after, disk)


@given(situations())
def test_what_the_user_wrote_is_only_touched_where_the_policy_says_so(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    for change in plan_changes(recorded, found, new, rules, replace=replace):
        edited = isinstance(change.found, FileIdentity) and (
            change.recorded is None or change.found.hash != change.recorded.hash
        )
        if not edited or change.action not in {Action.REPLACE, Action.REMOVE}:
            continue
        asked = replace and change.policy is not Policy.PROTECT
        assert change.policy is Policy.GENERATED or asked
        assert change.state is not State.MODIFIED or change.policy is Policy.GENERATED


@given(situations())
def test_protected_files_are_never_replaced(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    for change in plan_changes(recorded, found, new, rules, replace=replace):
        if change.policy is Policy.PROTECT:
            assert change.action is not Action.REPLACE
            left = change.action is Action.REMOVE
            assert not left or rules.is_retired(change.path)


@given(situations())
def test_a_file_moves_only_to_where_nothing_is(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
) -> None:
    recorded, found, new, rules, replace = situation
    for change in plan_changes(recorded, found, new, rules, replace=replace):
        if change.moved_from is not None:
            assert found.get(change.path) is None
            assert change.path not in recorded
            assert change.moved_from not in new
            assert change.found == found.get(change.moved_from)


MODULE = Module("05_a", "A")
# Of the module, in folders and as a file; of another; of none.
NAMES = ["m/05_a/1", "m/05_a/2", "05_a.py", "m/06_a/1", "c/05_ab", "d"]
HERE = st.sampled_from([None, *(FileIdentity(f"sha256:{one}", one == "x") for one in "xxyz")])


@st.composite
def in_modules(draw: st.DrawFn) -> Situation:
    """A situation in which some files are a module's, and in which most files differ."""
    recorded, new = ({path: draw(HERE) for path in NAMES} for _ in range(2))
    found = {path: draw(HERE | st.sampled_from([None, Blocked("a link")])) for path in NAMES}
    old, now = draw(st.permutations(NAMES))[:2]
    if draw(st.booleans()):  # a rename
        new[old] = recorded[now] = found[now] = None
    rules = tuple(
        PolicyRule(Pattern.of(pattern), draw(st.sampled_from(Policy)), draw(st.booleans()))
        for pattern in (draw(st.sampled_from(["m/**", "*"])), "**")
    )
    retired = draw(st.sampled_from([(), (Pattern.of("**"),)]))
    return (
        {path: one for path, one in recorded.items() if one is not None},
        dict(found),
        {path: one for path, one in new.items() if one is not None},
        Rules(rules, {old: now} if new[old] is None else {}, retired),
        draw(st.booleans()),
    )


@given(in_modules(), st.sampled_from(ModuleRequest))
def test_one_module_alone_is_planned_and_the_rest_stays(
    situation: Situation, asked: ModuleRequest
) -> None:
    recorded, found, new, rules, replace = situation
    changes = plan_changes(recorded, found, new, rules, replace=replace, scope=Scope(MODULE, asked))
    everything = plan_changes(recorded, found, new, rules, replace=replace)
    names = {one.path for one in changes}
    for change in everything:
        ours = MODULE.holds(change.path) or MODULE.holds(change.moved_from or "")
        assert (change.path in names) is ours
    after, disk = applied(changes, recorded, found)
    touched = names | {one.moved_from for one in changes}
    for before, now in ((recorded, after), (found, disk)):
        assert {k: v for k, v in before.items() if k not in touched} == {
            k: v for k, v in now.items() if k not in touched
        }
    again = plan_changes(after, disk, new, rules, replace=replace, scope=Scope(MODULE, asked))
    assert [one for one in again if one.is_update] == []


@given(in_modules())
def test_after_a_reset_the_module_is_the_templates(situation: Situation) -> None:
    recorded, found, new, rules, _ = situation
    changes = plan_changes(recorded, found, new, rules, scope=Scope(MODULE, ModuleRequest.RESET))
    after, disk = applied(changes, recorded, found)
    for change in changes:
        if change.new is None:  # what the template does not have stays
            assert disk.get(change.path) == found.get(change.path)
        elif not isinstance(change.found, Blocked):
            there = disk[change.path]
            assert isinstance(there, FileIdentity)
            assert there.hash == after[change.path].hash == change.new.hash
        else:
            assert disk[change.path] == found[change.path]


@given(in_modules())
def test_an_update_of_a_module_keeps_what_only_the_user_changed(situation: Situation) -> None:
    recorded, found, new, rules, _ = situation
    for change in plan_changes(
        recorded, found, new, rules, scope=Scope(MODULE, ModuleRequest.UPDATE)
    ):
        once, generated = change.policy is Policy.ONCE, change.policy is Policy.GENERATED
        if change.state is State.MODIFIED:
            assert (change.action is Action.KEEP) is not generated
        if once and isinstance(change.found, FileIdentity):
            assert change.action in {Action.KEEP, Action.ADOPT, Action.SET_MODE, Action.REMOVE}


@given(situations(), st.sets(PATHS), st.dictionaries(PATHS, st.sampled_from(["1.0", "2"])))
def test_what_only_patches_lead_to_is_made_from_its_base_or_left(
    situation: tuple[
        dict[str, FileIdentity], dict[str, OnDisk], dict[str, FileIdentity], Rules, bool
    ],
    chosen: set[str],
    versions: dict[str, str],
) -> None:
    recorded, found, new, rules, replace = situation
    only = {
        path: PatchOnly(Target(new[path].hash.removeprefix("sha256:"), 1), (Version("1"),))
        for path in chosen & new.keys()
    }
    reach = Reach(only, {path: versions.get(path, "1") for path in recorded})
    changes = plan_changes(recorded, found, new, rules, replace=replace, reach=reach)
    without = plan_changes(recorded, found, new, rules, replace=replace)
    for change, other in zip(changes, without, strict=True):
        known = change.moved_from or change.path
        fits = change.state is State.OUTDATED and versions.get(known, "1") != "2"
        brought = other.action in BRINGING and change.path in only
        assert change.state is other.state
        assert (change.unmade is not None) == (brought and not fits)
        if change.unmade is not None:
            assert change.action is Action.UNREACHABLE
            assert change.is_conflict
            kept = recorded_after(change, change.recorded, change.new)
            same = change.state is State.MODIFIED and change.new is not None
            assert kept == (change.new if same else change.recorded)
        elif change.path not in only:
            assert change == other
        else:  # who may run the file stays as it was
            modes = {Action.ADOPT, Action.SET_MODE}
            assert change.action is other.action or {change.action, other.action} == modes
