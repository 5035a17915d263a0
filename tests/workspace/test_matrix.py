"""dpkg's matrix: recorded, on disk and new over four values each, for each policy.

`golden/workspace_matrix.txt` is the whole table, to be read by people. What is below it
states the same once more, by condition, as the design does.
"""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from packaging.version import Version

from sapwood.documents.patterns import Pattern
from sapwood.package import PatchOnly, Target
from sapwood.workspace import (
    Action,
    Blocked,
    Change,
    FileIdentity,
    Policy,
    PolicyRule,
    Rules,
    State,
)
from sapwood.workspace.change.planning import plan_changes
from sapwood.workspace.change.reach import Reach
from sapwood.workspace.disk.states import OnDisk, state_of
from support.places import GOLDEN

pytestmark = pytest.mark.quick

TABLE = GOLDEN / "workspace_matrix.txt"
VALUES = ("-", "x", "y", "z")
CELLS = list(itertools.product(VALUES, repeat=3))
ANY = Pattern.of("**")

NOTEBOOK = "notebook:"


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column of the table is for: a policy, options, the kind of file."""

    policy: Policy
    restore: bool = False
    replace: bool = False
    merge: bool = False
    path: str = "f"
    kind: str = "sha256:"
    patch_from: str | None = None  # the template has only a patch from that version

    def plan(self, b: FileIdentity | None, c: OnDisk, n: FileIdentity | None) -> tuple[Change, ...]:
        return plan_changes(
            {} if b is None else {self.path: b},
            {self.path: c},
            {} if n is None else {self.path: n},
            Rules((PolicyRule(ANY, self.policy, self.restore),)),
            replace=self.replace,
            merge=self.merge,
            reach=self.reach(n),
        )

    def reach(self, new: FileIdentity | None) -> Reach:
        """What the template has only as a patch, where 1.0 is installed."""
        if new is None or self.patch_from is None:
            return Reach()
        target = Target(new.hash.removeprefix(self.kind), 1)
        only = PatchOnly(target, (Version(self.patch_from),))
        return Reach({self.path: only}, {self.path: "1.0.0"})

    def content(self, value: str) -> FileIdentity | None:
        return None if value == "-" else FileIdentity(f"{self.kind}{value}")


COLUMNS = {
    "update": Column(Policy.UPDATE),
    "restore": Column(Policy.UPDATE, restore=True),
    "--replace": Column(Policy.UPDATE, replace=True),
    "protect": Column(Policy.PROTECT),
    "once": Column(Policy.ONCE),
    "generated": Column(Policy.GENERATED),
    "weights": Column(Policy.WEIGHTS),
    "--merge": Column(Policy.PROTECT, merge=True, path="f.ipynb", kind=NOTEBOOK),
    "patch only": Column(Policy.WEIGHTS, patch_from="1.0"),
    "of another": Column(Policy.WEIGHTS, replace=True, restore=True, patch_from="0.9"),
}


def planned(b: str, c: str, n: str, name: str) -> Change | None:
    """What is planned for one file; None for one that the template knows nothing of."""
    column = COLUMNS[name]
    changes = column.plan(*(column.content(one) for one in (b, c, n)))
    return changes[0] if changes else None


def row(b: str, c: str, n: str) -> str:
    plain = COLUMNS["update"].content
    state = state_of(plain(b), plain(c), plain(n))
    cells = [b, c, n, state.value.ljust(10)]
    for column in COLUMNS:
        change = planned(b, c, n, column)
        cells.append(("" if change is None else change.action.value).ljust(11))
    return "  ".join(cells).rstrip()


def table() -> str:
    heading = ["B", "C", "N", "state".ljust(10), *(name.ljust(11) for name in COLUMNS)]
    return "\n".join(["  ".join(heading).rstrip(), *(row(*cell) for cell in CELLS)]) + "\n"


def test_the_whole_matrix() -> None:
    assert table() == TABLE.read_text()
    assert len(CELLS) == 64


def stated(b: str, c: str, n: str) -> tuple[State, Action, Action] | None:
    """The design's table: state, what is done under `update`, what under `protect`."""
    rows = [
        (b == n == "-", None),
        (c == n == "-", (State.GONE, Action.FORGET, Action.FORGET)),
        (c == n, (State.IDENTICAL, Action.ADOPT, Action.ADOPT)),
        (b == c == "-", (State.ADDED, Action.INSTALL, Action.INSTALL)),
        (c == b and n != "-", (State.OUTDATED, Action.REPLACE, Action.HOLD)),
        (c not in {b, "-"} and n == b, (State.MODIFIED, Action.KEEP, Action.KEEP)),
        (
            len({b, c, n}) == 3 and "-" not in {b, c, n},
            (State.CONFLICT, Action.LAY_BESIDE, Action.KEEP),
        ),
        (b != "-" and c == "-", (State.DELETED, Action.KEEP, Action.KEEP)),
        (b == "-" and c != "-", (State.COLLISION, Action.LAY_BESIDE, Action.LAY_BESIDE)),
        (c == b and n == "-", (State.RETIRED, Action.REMOVE, Action.KEEP)),
        (c != b and n == "-", (State.ORPHAN, Action.KEEP, Action.KEEP)),
    ]
    return next(expected for condition, expected in rows if condition)


@pytest.mark.parametrize(("b", "c", "n"), CELLS)
def test_the_matrix_is_what_the_design_states(b: str, c: str, n: str) -> None:
    expected = stated(b, c, n)
    update, protect = planned(b, c, n, "update"), planned(b, c, n, "protect")
    if expected is None or update is None or protect is None:
        assert expected is None
        assert update is None
        assert protect is None
        return
    assert (update.state, update.action, protect.action) == expected


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(("b", "n"), list(itertools.product(VALUES, repeat=2)))
def test_what_is_in_the_way_is_never_touched(b: str, n: str, column: str) -> None:
    there, chosen = Blocked("a link"), COLUMNS[column]
    recorded, new = chosen.content(b), chosen.content(n)
    assert state_of(recorded, there, new) is State.BLOCKED
    changes = chosen.plan(recorded, there, new)
    assert [one.action for one in changes] == [Action.SKIP] * (b != "-" or n != "-")


def test_retired_by_name_leaves_even_where_it_is_protected() -> None:
    rules = Rules(retired=(Pattern.of("old/**"),))
    x, y = FileIdentity("sha256:x"), FileIdentity("sha256:y")
    recorded = {"old/as_it_was": x, "old/edited": x, "other/as_it_was": x}
    found = {"old/as_it_was": x, "old/edited": y, "other/as_it_was": x}
    changes = plan_changes(recorded, found, {}, rules)
    assert {one.path: one.action for one in changes} == {
        "old/as_it_was": Action.REMOVE,
        "old/edited": Action.KEEP,
        "other/as_it_was": Action.KEEP,
    }


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(("b", "c", "n"), CELLS)
def test_a_merge_is_of_notebooks_in_conflict_alone(
    b: str, c: str, n: str, replace: bool, policy: Policy
) -> None:
    book = Column(policy, replace=replace, merge=True, path="f.ipynb", kind=NOTEBOOK)
    without = dataclasses.replace(book, merge=False)
    contents = [book.content(one) for one in (b, c, n)]
    for change, other in zip(book.plan(*contents), without.plan(*contents), strict=True):
        merges = change.state is State.CONFLICT and policy in {Policy.UPDATE, Policy.PROTECT}
        expected = Action.MERGE if merges else other.action
        assert (change.action, change.otherwise) == (expected, other.action if merges else None)
        assert change.not_merged("damaged").action is other.action


@pytest.mark.parametrize("policy", [Policy.UPDATE, Policy.PROTECT])
@pytest.mark.parametrize("unreadable", [0, 1, 2])
def test_what_cannot_be_read_as_a_notebook_is_not_merged(unreadable: int, policy: Policy) -> None:
    book = Column(policy, merge=True, path="f.ipynb")
    kinds = ["sha256:" if place == unreadable else NOTEBOOK for place in range(3)]
    (change,) = book.plan(*(FileIdentity(f"{kind}{n}") for n, kind in enumerate(kinds)))
    (without,) = dataclasses.replace(book, merge=False).plan(
        change.recorded, change.found, change.new
    )
    assert change.action is without.action
    assert change.unmerged == "it cannot be read as a notebook"


def test_other_files_are_not_merged() -> None:
    (change,) = Column(Policy.UPDATE, merge=True).plan(*map(FileIdentity, ("x", "y", "z")))
    assert (change.action, change.unmerged) == (Action.LAY_BESIDE, None)
