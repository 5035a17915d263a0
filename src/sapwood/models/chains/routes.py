"""Finds the cheapest way to a version of a file, and says why it is that. No IO is done here.

A receiver *has* some versions and *wants* one. *Offers* are what it could fetch: patches and
whole files. A *route* is a row of offers, each of which makes, or is, a version that the next
one starts from. The search is Dijkstra's. Of a patch with several bases all but one must
be there already: a route is a line, and never makes two versions to put them together.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from sapwood.errors import InputError

By: TypeAlias = Literal["bytes", "time"]

# Bytes of target a second. Applied file to file with every check, the dense bf16 fine-tune of
# docs/benchmarks.md (bf16-sft, two cores) went at about this speed; sparse ones are faster.
APPLY_SPEED = 250_000_000
BANDWIDTH = 10_000_000  # bytes a second
MOST_NAMED = 4  # offers of a route in a sentence
MOST_WEIGHED = 64  # alternatives whose routes are told; of others just what they cost


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be fetched.

    Attributes:
        name: a name for people.
        bases: the versions that a patch needs, by SHA-256, 32 bytes each; none for a whole file.
        target: the version that it makes or is, by SHA-256, 32 bytes.
        size: bytes to fetch.
        target_size: bytes of what it makes or is.
    """

    name: str
    bases: tuple[bytes, ...]
    target: bytes
    size: int
    target_size: int

    @property
    def written(self) -> int:
        """Bytes that applying it makes; a whole file needs nothing but fetching."""
        return self.target_size if self.bases else 0

    def to_json(self) -> dict[str, Any]:
        """The offer as JSON values."""
        return {
            "name": self.name,
            "bytes": self.size,
            "bases": [one.hex() for one in self.bases],
            "target": self.target.hex(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A row of offers to fetch, and to apply one after another.

    Attributes:
        offers: the offers in order; none where the wanted version is there.
        size: bytes to fetch.
        seconds: the time to fetch, and then to apply. Doing both at once takes less.
    """

    offers: tuple[Offer, ...]
    size: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The route as JSON values."""
        steps = [one.to_json() for one in self.offers]
        return {"steps": steps, "bytes": self.size, "seconds": self.seconds}


@dataclasses.dataclass(frozen=True, slots=True)
class Alternative:
    """What was not chosen.

    Attributes:
        offer: an offer that is not in the chosen route.
        route: the cheapest route with it, or None where none leads to the wanted version.
        reason: why it was not chosen, in words.
    """

    offer: Offer
    route: Route | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The alternative as JSON values."""
        route = None if self.route is None else self.route.to_json()
        return {"offer": self.offer.to_json(), "route": route, "reason": self.reason}


@dataclasses.dataclass(frozen=True, slots=True)
class RoutePlan:
    """The cheapest route and all that was weighed against it.

    Attributes:
        route: the cheapest route, or None where nothing leads to the wanted version.
        reason: why it is that, in a sentence.
        alternatives: what was not chosen, those with routes first, by their cost; each offer is
            in a route or here.
    """

    route: Route | None
    reason: str
    alternatives: tuple[Alternative, ...]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "route": None if self.route is None else self.route.to_json(),
            "reason": self.reason,
            "alternatives": [one.to_json() for one in self.alternatives],
        }


def plan_route(
    have: Collection[bytes],
    want: bytes,
    offers: Sequence[Offer],
    *,
    by: By = "bytes",
    bandwidth: int = BANDWIDTH,
    apply_speed: int = APPLY_SPEED,
) -> RoutePlan:
    """Chooses what to fetch to come from what there is to what is wanted.

    Of routes of equal cost it is the one with fewer steps, then with fewer bytes, then the
    one that is found first, in the order of the offers: the same question has one answer.

    Args:
        have: versions that are there, by SHA-256, 32 bytes each.
        want: the version that is wanted.
        offers: what can be fetched; `patch_offer` and its siblings read them from files.
        by: what to save: "bytes" to fetch, or "time" to fetch and apply.
        bandwidth: bytes that are fetched in a second.
        apply_speed: bytes of target a second, that applying a patch makes. The default was
            measured on two cores, with a dense fine-tune.

    Raises:
        InputError: an argument is out of range.
    """
    if by not in {"bytes", "time"} or bandwidth < 1 or apply_speed < 1:
        raise InputError(
            'expected by as "bytes" or "time", and speeds of at least 1 byte a second, '
            f"found {by!r:.40}, {bandwidth!r:.40} and {apply_speed!r:.40}"
        )
    search = Search(frozenset(have), want, tuple(offers), by, bandwidth, apply_speed)
    chosen = search.best()
    alternatives = search.alternatives(chosen)
    route = None if chosen is None else search.route(chosen)
    return RoutePlan(route, search.reason(route, alternatives), tuple(alternatives))


class Cost(NamedTuple):
    """What is compared of paths, in this order.

    Attributes:
        cost: bytes, or seconds times both speeds, which is a whole number.
        steps: how many offers.
        size: bytes to fetch.
    """

    cost: int
    steps: int
    size: int

    def plus(self, other: Cost) -> Cost:
        """Of two paths, one behind the other."""
        return Cost(self.cost + other.cost, self.steps + other.steps, self.size + other.size)


NOTHING = Cost(0, 0, 0)
Node: TypeAlias = bytes | None  # a version, or None: all that is there


class Arrival(NamedTuple):
    """The last step of the best path to a node, or the first of the best one from it.

    Attributes:
        cost: the cost of the whole path.
        offer: the number of the step, or None at the end where the search began.
        next: the node at its other end.
    """

    cost: Cost
    offer: int | None
    next: Node


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """What `plan_route` was asked. Paths are numbers of offers in a row."""

    have: frozenset[bytes]
    want: bytes
    offers: tuple[Offer, ...]
    by: By
    bandwidth: int
    apply_speed: int

    def best(self) -> list[int] | None:
        """The best path, or None."""
        if self.want in self.have:
            return []
        forward = _shortest(None, self.edges())
        return _steps(forward, self.want)[::-1] if self.want in forward else None

    def missing(self, offer: Offer) -> list[bytes]:
        """The bases that are not there, each once."""
        return list(dict.fromkeys(one for one in offer.bases if one not in self.have))

    def start(self, number: int) -> Node:
        """Where the step of an offer begins that can be used at all."""
        missing = self.missing(self.offers[number])
        return missing[0] if missing else None

    def cost(self, path: Sequence[int]) -> Cost:
        """What a path takes."""
        offers = [self.offers[number] for number in path]
        size = sum(offer.size for offer in offers)
        written = sum(offer.written for offer in offers)
        time = size * self.apply_speed + written * self.bandwidth
        return Cost(size if self.by == "bytes" else time, len(offers), size)

    def edges(self) -> Iterator[Edge]:
        """The steps of all offers that can be used at all."""
        for number, offer in enumerate(self.offers):
            if len(self.missing(offer)) <= 1:
                yield self.start(number), offer.target, number, self.cost([number])

    def route(self, path: Sequence[int]) -> Route:
        """A path with what it costs."""
        offers = tuple(self.offers[number] for number in path)
        size, written = sum(one.size for one in offers), sum(one.written for one in offers)
        return Route(offers, size, size / self.bandwidth + written / self.apply_speed)

    def alternatives(self, chosen: Sequence[int] | None) -> list[Alternative]:
        """For each offer that was not chosen the best path with it, or why there is none."""
        forward = _shortest(None, self.edges())
        turned = ((target, base, number, cost) for base, target, number, cost in self.edges())
        backward = _shortest(self.want, turned)
        useful: list[tuple[Cost, int]] = []
        useless: list[Alternative] = []
        taken = frozenset(chosen or ())
        for number, offer in enumerate(self.offers):
            missing = self.missing(offer)
            if number in taken:
                continue
            if len(missing) > 1 or self.start(number) not in forward:
                useless.append(Alternative(offer, None, f"needs {_listed(missing)}, not at hand"))
            elif offer.target not in backward:
                useless.append(Alternative(offer, None, "does not lead to the wanted version"))
            else:
                before, after = forward[self.start(number)].cost, backward[offer.target].cost
                useful.append((before.plus(self.cost([number])).plus(after), number))
        least = self.cost(chosen or ())
        weighed: dict[tuple[int, ...], Alternative] = {}
        for i, (cost, number) in enumerate(sorted(useful)):
            offer = self.offers[number]
            if i >= MOST_WEIGHED:
                words = f"{self.difference(least, cost)} at the least"
                useless.append(Alternative(offer, None, words))
                continue
            before_it = _steps(forward, self.start(number))[::-1]
            path = (*before_it, number, *_steps(backward, offer.target))
            if self.turns_back(path):
                useless.append(Alternative(offer, None, "leads back to where one has been"))
            elif path not in weighed:
                words = self.difference(least, cost)
                weighed[path] = Alternative(offer, self.route(path), words)
        return [*weighed.values(), *useless]

    def turns_back(self, path: Sequence[int]) -> bool:
        """Whether a version on a path was there before."""
        targets = [self.offers[number].target for number in path]
        return len(set(targets)) < len(targets) or not self.have.isdisjoint(targets)

    def difference(self, least: Cost, other: Cost) -> str:
        """What a path takes more than the chosen one."""
        more = other.cost - least.cost
        if more:
            return f"{self.amount(more)} more"
        if other.steps > least.steps:
            return "as much, in more steps"
        return "as much" + (", and more bytes" if other.size > least.size else ", but given later")

    def amount(self, cost: int) -> str:
        """A cost for people."""
        if self.by == "bytes":
            return f"{cost:,} bytes"
        return f"{cost / (self.bandwidth * self.apply_speed):.3g} s"

    def reason(self, route: Route | None, alternatives: Sequence[Alternative]) -> str:
        """Why a route was chosen."""
        if route is None:
            return (
                f"nothing of what is offered leads to {_shown(self.want)}; "
                "offer the whole file, or a patch from what is there"
            )
        if not route.offers:
            return "the wanted version is there; nothing is to be fetched"
        others = [(one.route, one.reason) for one in alternatives if one.route is not None]
        if not others:
            return f"{_described(route)}: nothing else leads to the wanted version"
        what = "the fewest bytes" if self.by == "bytes" else "the least time"
        next_best, words = others[0]
        return (
            f"{_described(route)}: {what} of {len(others) + 1} routes; "
            f"the next best, {_described(next_best)}: {words}"
        )


Edge: TypeAlias = tuple[Node, Node, int, Cost]
"""From a node to another, by the offer of this number, which costs so much."""


def _shortest(start: Node, edges: Iterable[Edge]) -> dict[Node, Arrival]:
    """How each node is best reached that can be, as steps that lead back to the start.

    Of paths that cost the same it is the one whose last step was given first among those from
    the node that was reached first.
    """
    leaving: dict[Node, list[tuple[Node, int, Cost]]] = {}
    for begin, end, number, cost in edges:
        leaving.setdefault(begin, []).append((end, number, cost))
    best: dict[Node, Arrival] = {}
    order = itertools.count()  # so that nodes are never compared
    waiting: list[tuple[Cost, int, Node, Arrival]] = [
        (NOTHING, next(order), start, Arrival(NOTHING, None, None))
    ]
    while waiting:
        cost, _, node, arrival = heapq.heappop(waiting)
        if node in best:
            continue
        best[node] = arrival
        for target, number, more in leaving.get(node, ()):
            if target not in best:
                total = cost.plus(more)
                heapq.heappush(waiting, (total, next(order), target, Arrival(total, number, node)))
    return best


def _steps(found: Mapping[Node, Arrival], node: Node) -> list[int]:
    """The offers from a node to where the search began, in this order."""
    path = []
    while (number := found[node].offer) is not None:
        path.append(number)
        node = found[node].next
    return path


def _described(route: Route) -> str:
    """A route's offers in a line; of a long one its ends."""
    names = [offer.name for offer in route.offers]
    if len(names) > MOST_NAMED:
        names = [names[0], f"{len(names) - 2} more", names[-1]]
    return ", then ".join(names)


def _listed(digests: Sequence[bytes]) -> str:
    """Versions for people."""
    return " and ".join(map(_shown, digests))


def _shown(digest: bytes) -> str:
    """The beginning of a SHA-256, as much as tells versions apart."""
    return digest.hex()[:12]
