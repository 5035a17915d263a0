"""What `sapwood plan` shows: a row for each route, the chosen one first, and what is of no use."""

from __future__ import annotations

from sapwood.cli.reports import human_size, printable
from sapwood.cli.tables import show_rows
from sapwood.models import Route, RoutePlan

COLUMNS = ("", "route", "fetch", "time", "why")
ON_THE_RIGHT = frozenset({"fetch", "time"})
CHOSEN = "*"
MOST_ROWS = 20
MOST_NAMED = 4  # offers of a route in a row


def show_plan(plan: RoutePlan) -> None:
    """Prints a plan.

    Args:
        plan: with a route.
    """
    routes = [(plan.route, "")] if plan.route is not None and plan.route.offers else []
    routes += [(one.route, one.reason) for one in plan.alternatives if one.route is not None]
    rows = [
        (CHOSEN if route is plan.route else "", _way(route), *_costs(route), why)
        for route, why in routes[:MOST_ROWS]
    ]
    useless = [one for one in plan.alternatives if one.route is None]
    rows += [
        ("", printable(one.offer.name), human_size(one.offer.size), "", one.reason)
        for one in useless[: MOST_ROWS - len(rows)]
    ]
    if rows:
        show_rows(COLUMNS, ON_THE_RIGHT, rows)
        hidden = len(routes) + len(useless) - len(rows)
        if hidden:
            print(f"and {hidden} more; --json has them all")
        print()
    print(printable(plan.reason))


def _way(route: Route) -> str:
    """The steps of a route; of a long one its ends."""
    names = [printable(one.name) for one in route.offers]
    if len(names) > MOST_NAMED:
        names = [names[0], f"{len(names) - 2} more", names[-1]]
    return " > ".join(names)


def _costs(route: Route) -> tuple[str, str]:
    """Bytes and seconds."""
    return human_size(route.size), f"{route.seconds:.3g} s"
