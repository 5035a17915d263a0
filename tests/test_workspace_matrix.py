"""dpkg's matrix: recorded, on disk and new over four values each, for each policy.

`golden/workspace_matrix.txt` is the whole table, to be read by people. What is below it
states the same once more, by condition, as the design does.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from sapwood.workspace import (
    Action,
    Blocked,
    Change,
    Content,
    Policy,
    PolicyRule,
    Rules,
    State,
    plan_changes,
)
from sapwood.workspace.patterns import Pattern
from sapwood.workspace.states import Found, state_of

GOLDEN = Path(__file__).parent / "golden" / "workspace_matrix.txt"
VALUES = ("-", "x", "y", "z")
CELLS = list(itertools.product(VALUES, repeat=3))
ANY = Pattern.of("**")

# Column to policy, whether deleted files come back, and whether to replace.
COLUMNS = {
    "update": (Policy.UPDATE, False, False),
    "restore": (Policy.UPDATE, True, False),
    "--replace": (Policy.UPDATE, False, True),
    "protect": (Policy.PROTECT, False, False),
    "once": (Policy.ONCE, False, False),
    "generated": (Policy.GENERATED, False, False),
    "weights": (Policy.WEIGHTS, False, False),
}


def content(value: str) -> Content | None:
    return None if value == "-" else Content(f"sha256:{value}")


def planned(b: str, c: str, n: str, column: str) -> Change | None:
    """What is planned for one file; None for one that the template knows nothing of."""
    policy, restore, replace = COLUMNS[column]
    rules = Rules((PolicyRule(ANY, policy, restore),))
    recorded, new = content(b), content(n)
    changes = plan_changes(
        {} if recorded is None else {"f": recorded},
        {"f": content(c)},
        {} if new is None else {"f": new},
        rules,
        replace=replace,
    )
    return changes[0] if changes else None


def row(b: str, c: str, n: str) -> str:
    state = state_of(content(b), content(c), content(n))
    cells = [b, c, n, state.value.ljust(10)]
    for column in COLUMNS:
        change = planned(b, c, n, column)
        cells.append(("" if change is None else change.action.value).ljust(11))
    return "  ".join(cells).rstrip()


def table() -> str:
    heading = ["B", "C", "N", "state".ljust(10), *(name.ljust(11) for name in COLUMNS)]
    return "\n".join(["  ".join(heading).rstrip(), *(row(*cell) for cell in CELLS)]) + "\n"


def test_the_whole_matrix() -> None:
    assert table() == GOLDEN.read_text()
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
    policy, restore, replace = COLUMNS[column]
    there: Found = Blocked("a link")
    assert state_of(content(b), there, content(n)) is State.BLOCKED
    recorded, new = content(b), content(n)
    changes = plan_changes(
        {} if recorded is None else {"f": recorded},
        {"f": there},
        {} if new is None else {"f": new},
        Rules((PolicyRule(ANY, policy, restore),)),
        replace=replace,
    )
    assert [one.action for one in changes] == [Action.SKIP] * (b != "-" or n != "-")


def test_retired_by_name_leaves_even_where_it_is_protected() -> None:
    rules = Rules(retired=(Pattern.of("old/**"),))
    x, y = Content("sha256:x"), Content("sha256:y")
    recorded = {"old/as_it_was": x, "old/edited": x, "other/as_it_was": x}
    found = {"old/as_it_was": x, "old/edited": y, "other/as_it_was": x}
    changes = plan_changes(recorded, found, {}, rules)
    assert {one.path: one.action for one in changes} == {
        "old/as_it_was": Action.REMOVE,
        "old/edited": Action.KEEP,
        "other/as_it_was": Action.KEEP,
    }
