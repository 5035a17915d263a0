"""In which order a file can be rewritten in place, and what must be saved before.

Nothing here does IO: rewrites go in, an order comes out. A rewrite puts new bytes into a range
of the file and reads what the file held before, here and elsewhere. So each must come before
those that overwrite what it reads. Where that leads in a circle, what would be lost is saved
beforehand, the least first. A file whose parts moved and kept their order needs nothing saved:
what moved towards the end is written from the end on, what moved to the front from the front.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator, Sequence

from sapwood.errors import LimitExceeded
from sapwood.models.applying.in_place.spans import Span, Spans, overlapping

MOST_CONFLICTS = 1 << 22  # between two rewrites; some 100 bytes of memory each
MOST_A_STEP = 1 << 14  # rewrites that are done at once


@dataclasses.dataclass(frozen=True, slots=True)
class Rewrite:
    """A range of the file that gets new bytes.

    Attributes:
        begin, end: the range.
        reads: ranges of the file as it was before any rewrite, in any order.
    """

    begin: int
    end: int
    reads: tuple[Span, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class StepPlan:
    """How to go about it.

    Attributes:
        order: the numbers of the rewrites, from 0, as they are done.
        saves: ranges to be saved before the first rewrite.
    """

    order: tuple[int, ...]
    saves: Spans


def plan_rewrites(
    rewrites: Sequence[Rewrite], saved: Spans, most_conflicts: int = MOST_CONFLICTS
) -> StepPlan:
    """An order in which every rewrite finds what it reads, in the file or saved.

    Args:
        rewrites: ascending; their ranges do not overlap.
        saved: bytes that are saved already; what reads them does not care for the file.
        most_conflicts: how many parts of the file may wait for each other.

    Raises:
        LimitExceeded: a hostile patch: more conflicts than any file has.
    """
    losses, frees = _conflicts(rewrites, saved, most_conflicts)
    # What would be lost, in bytes, if a rewrite came next.
    costs = [sum(end - begin for _, begin, end in found) for found in losses]
    queue = [(cost, i) for i, cost in enumerate(costs)]
    heapq.heapify(queue)
    done = [False] * len(rewrites)
    order: list[int] = []
    saves: list[Span] = []
    while queue:
        cost, i = heapq.heappop(queue)
        if done[i] or cost != costs[i]:
            continue  # an older entry
        if cost:
            saves += [(begin, end) for reader, begin, end in losses[i] if not done[reader]]
        done[i] = True
        order.append(i)
        for writer, size in frees[i]:
            if not done[writer]:
                costs[writer] -= size
                heapq.heappush(queue, (costs[writer], writer))
    return StepPlan(tuple(order), Spans(saves))


def _conflicts(
    rewrites: Sequence[Rewrite], saved: Spans, most: int
) -> tuple[list[list[tuple[int, int, int]]], list[list[tuple[int, int]]]]:
    """Who overwrites what others read.

    Returns:
        For each rewrite who reads which bytes that it overwrites, as (reader, begin, end); and
        for each whose bytes it reads, as (writer, bytes).

    Raises:
        LimitExceeded: too many.
    """
    begins = [one.begin for one in rewrites]
    ends = [one.end for one in rewrites]
    losses: list[list[tuple[int, int, int]]] = [[] for _ in rewrites]
    frees: list[list[tuple[int, int]]] = [[] for _ in rewrites]
    count = 0
    for reader, one in enumerate(rewrites):
        for read in one.reads:
            for first, last in saved.missing(*read):
                writers = overlapping(begins, ends, first, last)
                count += len(writers)
                if count > most:
                    raise LimitExceeded(
                        f"more than {most} parts of the file wait for each other; "
                        "write the target to another file"
                    )
                for writer in writers:
                    if writer == reader:
                        continue  # it reads before it writes
                    begin, end = max(first, begins[writer]), min(last, ends[writer])
                    losses[writer].append((reader, begin, end))
                    frees[reader].append((writer, end - begin))
    return losses, frees


def batches(plan: StepPlan, rewrites: Sequence[Rewrite], most: int) -> Iterator[tuple[int, ...]]:
    """The rewrites in order, as many at a time as have no more than `most` bytes, or one."""
    batch: list[int] = []
    size = 0
    for i in plan.order:
        nbytes = rewrites[i].end - rewrites[i].begin
        if batch and (size + nbytes > most or len(batch) == MOST_A_STEP):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(i)
        size += nbytes
    if batch:
        yield tuple(batch)
