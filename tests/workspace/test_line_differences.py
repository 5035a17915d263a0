"""Lines of two texts: a longest common subsequence, as a unified diff, in work that is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sapwood.workspace import LineChanges, Workspace
from sapwood.workspace.change.lcs import Run, common_runs
from sapwood.workspace.change.texts import count_changes, unified_lines
from support.template_folders import write_files, write_template

pytestmark = pytest.mark.quick

ROWS = st.lists(st.sampled_from("abcd"), max_size=30)
EXAMPLES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": ("", "", []),
    "the same": ("a", "a", []),
    "all new": ("", "ab", ["@@ -0,0 +1,2 @@", "+a", "+b"]),
    "all gone": ("ab", "", ["@@ -1,2 +0,0 @@", "-a", "-b"]),
    "one of many": (
        "abcdefghi",
        "abcdXfghi",
        ["@@ -2,7 +2,7 @@", *[" b", " c", " d", "-e", "+X", " f", " g", " h"]],
    ),
    "two far apart": (
        "abcdefghijk",
        "Xbcdefghij",
        [
            "@@ -1,4 +1,4 @@",
            *["-a", "+X", " b", " c", " d"],
            "@@ -8,4 +8,3 @@",
            *[" h", " i", " j", "-k"],
        ],
    ),
    "two near each other": (
        "abcdefgh",
        "XbcdefgX",
        ["@@ -1,8 +1,8 @@", *["-a", "+X", " b", " c", " d", " e", " f", " g", "-h", "+X"]],
    ),
    "one more of the same": ("aab", "aaab", ["@@ -1,3 +1,4 @@", *[" a", " a", "+a", " b"]]),
}


def longest(old: Sequence[str], new: Sequence[str]) -> int:
    """The length of a longest common subsequence, as textbooks find it."""
    row = [0] * (len(new) + 1)
    for a in old:
        before, row = row, [0]
        for j, b in enumerate(new):
            row.append(before[j] + 1 if a == b else max(before[j + 1], row[j]))
    return row[-1]


def applied(old: Sequence[str], diff: Sequence[str]) -> list[str]:
    """What a unified diff makes of a text."""
    out: list[str] = []
    at = 0
    for line in diff[2:]:
        if line.startswith("@@"):
            first, _, count = line.split()[1][1:].partition(",")
            begin = int(first) - (count != "0")
            out += old[at:begin]
            at = begin
            continue
        if line[0] != "+":
            assert line[1:] == old[at]
            at += 1
        out += [line[1:]] if line[0] != "-" else []
    return out + list(old[at:])


@given(ROWS, ROWS)
def test_the_runs_are_a_longest_common_subsequence(old: list[str], new: list[str]) -> None:
    runs = common_runs(old, new)
    assert runs is not None
    assert sum(run.length for run in runs) == longest(old, new)
    ends = (0, 0)
    for i, j, length in runs:
        assert length > 0
        assert i >= ends[0]
        assert j >= ends[1]
        assert (i, j) != ends or ends == (0, 0)  # else the two were one run
        assert old[i : i + length] == new[j : j + length]
        ends = (i + length, j + length)


@given(ROWS, ROWS)
def test_a_diff_makes_the_one_text_of_the_other(old: list[str], new: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in one).encode() for one in (old, new))
    diff = unified_lines(before, after, ("x", "y"))
    assert diff is not None
    assert applied(old, diff) == new
    assert (diff == ()) == (old == new)
    added, removed = (sum(line[0] == sign for line in diff[2:]) for sign in "+-")
    assert count_changes(before, after) == LineChanges(added, removed)


@pytest.mark.parametrize("case", EXAMPLES)
def test_diffs_are_written_as_everywhere(case: str) -> None:
    old, new, hunks = EXAMPLES[case]
    before, after = ("".join(f"{letter}\n" for letter in one).encode() for one in (old, new))
    found = unified_lines(before, after, ("x", "y"))
    assert found == (("--- x", "+++ y", *hunks) if hunks else ())


def test_the_first_of_equal_lines_stays() -> None:
    assert common_runs("xaby", "xaaby") == [Run(0, 0, 2), Run(2, 3, 2)]


def test_more_pairs_than_allowed_are_not_compared() -> None:
    old, new = b"a\nb\nc\n" + b"x\n" * 1000, b"d\ne\nf\ng\n" + b"x\n" * 1000
    assert count_changes(old, new, most_pairs=12) == LineChanges(4, 3)
    assert count_changes(old, new, most_pairs=11) is None
    assert unified_lines(old, new, ("x", "y"), most_pairs=11) is None


def test_texts_of_more_lines_than_memory_should_hold_are_not_compared() -> None:
    assert count_changes(b"\n" * (1 << 20), b"") == LineChanges(0, 1 << 20)
    for end in ("\n", "\r", "\x0b", "\u2028"):
        assert count_changes(f"{end * (1 << 20)}x\n".encode(), b"") is None


def test_a_caller_says_how_much_is_compared(tmp_path: Path) -> None:
    write_template(tmp_path / "old", "1.0.0", {"tests/a": "0\n" * 6000})
    workspace, _ = Workspace.init(tmp_path / "mine", tmp_path / "old")
    filled = "".join(f"0\n{i}\n" for i in range(1, 6001))
    write_files(workspace.root, {"tests/a": filled})
    assert workspace.line_changes("tests/a") == LineChanges(6000, 0)
    assert workspace.line_changes("tests/a", most_pairs=1000) is None
    (difference,) = workspace.differences(tmp_path / "old", most_pairs=1000)
    assert difference.lines is None
