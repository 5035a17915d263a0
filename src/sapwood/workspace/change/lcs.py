"""The longest common subsequence of two rows of lines, in a time that is known beforehand.

A bit vector has a bit for each line on one side, and is brought up to date for each line on the
other (H. Hyyrö, Bit-parallel LCS-length computation revisited, 2004). Whatever the lines are,
that takes one step for some thousands of pairs of lines: what two texts begin and end with alike
is left out first, and of the rest more pairs than are allowed are not compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

MOST_PAIRS = 1 << 28  # of lines that are compared: less than a second, and some 100 MiB of memory

Lines: TypeAlias = Sequence[Hashable]


class Run(NamedTuple):
    """Lines that are alike: `length` of them from `old` and from `new` on, counted from 0."""

    old: int
    new: int
    length: int


def common_runs(old: Lines, new: Lines, most: int = MOST_PAIRS) -> list[Run] | None:
    """The runs of a longest common subsequence, ascending on both sides.

    Of several such subsequences it is the one whose lines come first.

    Args:
        old, new: the lines of each side.
        most: the greatest number of pairs of lines that are compared.

    Returns:
        Runs that are not empty, and of which none could be longer; None where there are more
        pairs.
    """
    head = _alike(zip(old, new, strict=False))
    room = min(len(old), len(new)) - head
    tail = min(room, _alike(zip(reversed(old), reversed(new), strict=False)))
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(left) * len(right) > most:
        return None
    between = (Run(head + i, head + j, 1) for i, j in _pairs(left, right))
    return _put_together(
        [Run(0, 0, head), *between, Run(len(old) - tail, len(new) - tail, tail)],
    )


def _alike(pairs: Iterable[tuple[Hashable, Hashable]]) -> int:
    """How many pairs are of equal lines before the first that is not."""
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _put_together(runs: Iterable[Run]) -> list[Run]:
    """Runs without those that are empty; neighbours on both sides become one."""
    out: list[Run] = []
    for run in runs:
        last = out[-1] if out else Run(-1, -1, 0)
        if run.length and (last.old + last.length, last.new + last.length) == run[:2]:
            out[-1] = last._replace(length=last.length + run.length)
        elif run.length:
            out.append(run)
    return out


def _pairs(old: Lines, new: Lines) -> Iterator[tuple[int, int]]:
    """The numbers of the lines of a longest common subsequence on both sides, ascending."""
    # From the end, so that the way back through the vectors leads from the first lines on.
    vectors = _vectors(old[::-1], new[::-1])
    i = j = 0
    while i < len(old) and j < len(new):
        bit = len(old) - i - 1
        if old[i] == new[j]:
            yield i, j
            i, j = i + 1, j + 1
        elif vectors[len(new) - j - 1][bit >> 3] >> (bit & 7) & 1:
            i += 1  # as many are alike without this line
        else:
            j += 1


def _vectors(old: Lines, new: Lines) -> list[bytes]:
    """For each number of lines of `new`, from 1 on, a bit for each line of `old`, the lowest first.

    Bit i is 0 where the first i + 1 lines of `old` have more in common with these lines than the
    first i have.
    """
    size = len(old) // 8 + 1
    places = _places(old, frozenset(new))
    vector = every = (1 << len(old)) - 1
    vectors = []
    for line in new:
        matching = vector & places.get(line, 0)
        vector = ((vector + matching) | (vector - matching)) & every
        vectors.append(vector.to_bytes(size, "little"))
    return vectors


def _places(lines: Lines, wanted: frozenset[Hashable]) -> dict[Hashable, int]:
    """The places of each line that is wanted, as the bits of a number."""
    bits: dict[Hashable, bytearray] = {}
    for i, line in enumerate(lines):
        if line in wanted:
            if line not in bits:
                bits[line] = bytearray(len(lines) // 8 + 1)
            bits[line][i >> 3] |= 1 << (i & 7)
    return {line: int.from_bytes(one, "little") for line, one in bits.items()}
