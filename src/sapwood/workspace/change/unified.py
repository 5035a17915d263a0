"""Differences of two texts as people read them: unified diffs, as `diff -u` and git write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sapwood.workspace.change.lcs import Run

CONTEXT = 3  # lines that are shown before and behind what differs


def unified_diff(
    old: Sequence[str], new: Sequence[str], runs: Sequence[Run], names: tuple[str, str]
) -> Iterator[str]:
    """The lines of a unified diff, without line ends; none where nothing differs.

    Args:
        old, new: lines of each side, without line ends.
        runs: what they have in common, as `common_runs` gives it.
        names: names of the two sides.
    """
    for number, hunk in enumerate(_hunks(len(old), len(new), runs)):
        if number == 0:
            yield f"--- {names[0]}"
            yield f"+++ {names[1]}"
        first, last = hunk[0], hunk[-1]
        before = _range(first.old, last.old + last.length)
        after = _range(first.new, last.new + last.length)
        yield f"@@ -{before} +{after} @@"
        at = first
        for run in hunk:
            yield from (f"-{line}" for line in old[at.old : run.old])
            yield from (f"+{line}" for line in new[at.new : run.new])
            yield from (f" {line}" for line in old[run.old : run.old + run.length])
            at = Run(run.old + run.length, run.new + run.length, 0)


def _hunks(old: int, new: int, runs: Sequence[Run]) -> Iterator[list[Run]]:
    """The runs of each hunk: they begin and end it, of CONTEXT lines at most, or of none.

    Args:
        old, new: how many lines each side has.
        runs: what they have in common.
    """
    if list(runs) == ([Run(0, 0, old)] if old else []) and old == new:
        return
    whole = [*runs]
    if not whole or whole[0][:2] != (0, 0):
        whole.insert(0, Run(0, 0, 0))
    if (whole[-1].old + whole[-1].length, whole[-1].new + whole[-1].length) != (old, new):
        whole.append(Run(old, new, 0))
    hunk = [_end_of(whole[0])]
    for run in whole[1:-1]:
        if run.length > 2 * CONTEXT:
            yield [*hunk, _beginning_of(run)]
            hunk = [_end_of(run)]
        else:
            hunk.append(run)
    yield [*hunk, _beginning_of(whole[-1])]


def _beginning_of(run: Run) -> Run:
    """The first lines of a run, which end a hunk."""
    return run._replace(length=min(run.length, CONTEXT))


def _end_of(run: Run) -> Run:
    """The last lines of a run, which begin a hunk."""
    left = max(0, run.length - CONTEXT)
    return Run(run.old + left, run.new + left, run.length - left)


def _range(begin: int, end: int) -> str:
    """Lines [begin, end), counted from 0, as hunks name them: counted from 1."""
    length = end - begin
    if length == 1:
        return f"{begin + 1}"
    return f"{begin + 1 if length else begin},{length}"
