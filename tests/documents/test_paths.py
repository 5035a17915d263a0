"""Which paths may be written everywhere, and which at least stay in their folder."""

from __future__ import annotations

import posixpath
import re
import unicodedata

import pytest
from hypothesis import given, strategies as st

from sapwood.documents.paths import (
    MOST_LETTERS,
    TRUSTED,
    clash_among,
    folded,
    portable,
    portable_name,
    unportable,
    within,
)
from support.places import SPEC

pytestmark = pytest.mark.quick

LEAVE: dict[str, str] = {
    "nothing": "",
    "the folder": ".",
    "the folder above": "..",
    "above": "../a",
    "above, inside": "a/../../b",
    "absolute": "/etc/passwd",
    "absolute, twice": "//a/b",
    "an empty part": "a//b",
    "a folder": "a/",
    "a dot inside": "a/./b",
    "a drive": "C:a",
    "a drive, absolute": "c:/a",
    "a drive inside": "a/c:b",
    "UNC": "\\\\host\\share",
    "backslashes": "a\\..\\b",
    "a device of Windows NT": "\\\\?\\C:\\a",
    "a NUL": "a\0b",
    "a line feed": "a\nb",
    "an escape": "a\x1b[2J",
    "delete": "a\x7f",
    "half a surrogate pair": "\ud800",
    "a part of 256 bytes": "a" * 256,
    "a part of 256 bytes and 128 letters": "é" * 128,
    "65 parts": "/".join("a" * 65),
    "more bytes than a system takes": "/".join(["a" * 250] * 17),
}
"""What may lead out of a folder, or may be no path at all."""

STAY: dict[str, str] = {
    "git": ".git/config",
    "git inside": "a/.git/hooks/post-checkout",
    "git itself": ".git",
    "git in capitals": ".GIT/config",
    "git by its short name": "GIT~1/config",
    "git to HFS+": ".g\u200cit/config",
    "git to HFS+, marked": "\ufeff.git/config",
    "Mercurial": ".hg/hgrc",
    "Subversion": "a/.svn/wc.db",
    "con": "con",
    "a device with an ending": "nul.txt",
    "a device with two": "a/NUL.tar.gz",
    "a device behind spaces": "aux  .txt",
    "a device in a folder's name": "prn/a",
    "a serial port": "COM9",
    "a serial port, in superscript": "com\u00b9",
    "a printer": "lpt0.a",
    "a console": "CONIN$",
    "a stream": "a.txt:stream",
    "a stream of a folder": "ab:$INDEX_ALLOCATION/c",
    "a dot at the end": "a.",
    "a dot at the end of a folder": "a./b",
    "three dots": "...",
    "a space at the end": "a ",
    "a question mark": "a?b",
    "a star": "a*",
    "a quotation mark": 'a"b',
    "angles": "<a>",
    "a pipe": "a|b",
    "1025 letters": "/".join(["a" * 204] * 5) + "/a",
}
"""What stays in its folder, and cannot be written everywhere or is trusted by others."""

GOOD = [
    "a",
    ".a",
    ".gitignore",
    ".github/workflows/a.yml",
    "git/config",
    "a.git/config",
    "a b/c d",
    " a",
    "...a",
    "größe.txt",
    "文/字",
    "con1",
    "console",
    "com",
    "com10",
    "nul_",
    "a~1",
    "a" * 255,
    "/".join(["a" * 203] * 5),
    "/".join("a" * 64),
    "-rf",
    "~",
    "$HOME",
    "a'b",
    "a&b;c",
]


@pytest.mark.parametrize("case", LEAVE)
def test_what_may_lead_away_is_refused_by_both(case: str) -> None:
    assert portable(LEAVE[case]) is not None
    assert within(LEAVE[case]) is not None


@pytest.mark.parametrize("case", STAY)
def test_what_stays_and_is_not_portable(case: str) -> None:
    assert portable(STAY[case]) is not None
    assert within(STAY[case]) is None


@pytest.mark.parametrize("path", GOOD)
def test_what_is_portable(path: str) -> None:
    assert portable(path) is None
    assert within(path) is None
    assert unportable([path]) is None


@pytest.mark.parametrize("name", [*GOOD, *LEAVE.values(), *STAY.values()])
def test_a_name_is_a_path_of_one_part(name: str) -> None:
    assert (portable_name(name) is None) == (portable(name) is None and "/" not in name)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["a", ".git/x"], "'.git/x': '.git', whose content other programs trust"),
        (["b", ".a", "b"], "'b' and 'b' cannot both be files"),
        (["a", "A"], "'a' and 'A' cannot both be files on every system"),
        (["\u00e9", "e\u0301"], r"'\\xe9' and 'e\\u0301' cannot both be files"),
        (["stra\u00dfe", "STRASSE"], "cannot both be files"),
        (["A/b", "a"], "'a' and 'A/b' cannot both be files"),
        (["a", "a-b", "a/b/c"], "'a' and 'a/b/c' cannot both be files"),
    ],
)
def test_paths_that_cannot_lie_beside_each_other(paths: list[str], says: str) -> None:
    fault = unportable(paths)
    assert fault is not None
    assert says.replace("\\\\", "\\") in fault
    assert fault.isascii()  # nothing of it moves a terminal's cursor


# Paths of parts that rules look at, put together in any way.
parts = st.sampled_from(
    [
        *("a", "B", ".git", ".Git ", "nul", "nul.a", "..", ".", "", "c:", "a:b", "x."),
        *("\u00e9", "e\u0301"),
    ]
) | st.text(st.characters(), max_size=5)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join) | st.text(st.characters())


@given(paths)
def test_what_is_portable_stays_within(path: str) -> None:
    if portable(path) is None:
        assert within(path) is None
    for fault in (portable(path), within(path)):
        assert fault is None or len(fault) < 1200


@given(paths)
def test_what_stays_within_leads_to_no_other_place(path: str) -> None:
    if within(path) is None:
        assert posixpath.normpath(f"/root/of/all/{path}") == f"/root/of/all/{path}"
        path.encode()


@given(paths)
def test_a_fault_is_one_however_the_name_is_written(path: str) -> None:
    """Case and normalisation hide nothing."""
    if portable(path) is None:
        for other in (path.swapcase(), unicodedata.normalize("NFD", path), folded(path)):
            if len(other.encode()) <= 255:
                assert portable(other) is None


@given(st.lists(paths, max_size=6, unique=True))
def test_portable_paths_without_a_clash_are_as_many_when_they_are_folded(some: list[str]) -> None:
    if unportable(some) is None:
        assert len({folded(one) for one in some}) == len(some)
        assert clash_among([folded(one) for one in some]) is None


def test_the_specification_of_patches_says_what_may_be_written() -> None:
    spec = (SPEC / "patch-v1.md").read_text()
    (rule,) = re.findall(r"^The rules above are for parsing, .*$", spec, re.MULTILINE)
    assert f"more than {MOST_LETTERS:,} code points" in rule
    named = re.findall(r"`([^`]+)`", rule)
    assert set(named) >= TRUSTED
    for one in ("con", "prn", "aux", "nul", "conin$", "conout$"):
        assert one in named
        assert portable(one) is not None
    assert all(portable(f"a{one}b") is not None for one in '<>:"|?*' if one in rule)
