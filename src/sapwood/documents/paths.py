"""Names of files from outside, by the one rule of which paths may be written, and a weaker one.

`portable` is the rule: a path that it takes stays inside of the folder that it is relative to,
can be written on Linux, macOS and Windows alike, is no other file than it seems to be on any of
them, and brings nothing that other programs run or trust. Whatever writes files under names from
outside asks it first, and whatever makes a document that names files. `clash_among` finds paths
that are portable one by one and not beside each other, for file systems fold case and normalise
Unicode.

`within` alone tells that a path stays inside of its folder. The format of patches demands it of
every path that is parsed, and no more (`spec/patch-v1.md`, Folders).

Nothing here looks at the disk: links are the business of whoever opens files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from sapwood.documents.unicode import is_text

MOST_LEVELS = 64  # parts of a path
LONGEST_NAME = 255  # bytes of UTF-8, of each part of a path: as most file systems have it
LONGEST_WITHIN = 4096  # bytes of UTF-8, of a path that need not be portable
MOST_LETTERS = 1024  # of a portable path

# What Windows takes for a device, whatever stands behind a dot.
DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?: *\..*)?",
    re.IGNORECASE | re.DOTALL,
)
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ud800-\udfff]')
CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
DRIVE = re.compile(r"[A-Za-z]:")

# Names of folders whose content programs run or trust, and their short names on Windows.
TRUSTED = frozenset({".git", ".hg", ".svn", "git~1", "hg~1", "svn~1"})
# What HFS+ passes over in names.
IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def portable(path: str) -> str | None:
    """What keeps a path from being written everywhere, or None where nothing does."""
    if not path or len(path) > MOST_LETTERS:
        return f"expected 1 to {MOST_LETTERS} letters, found {len(path)}"
    if path.startswith("/"):
        return "an absolute path"
    found = FORBIDDEN.search(path)
    if found:
        return f"the character {found[0]!r}, which not every system can write"
    parts = path.split("/")
    if len(parts) > MOST_LEVELS:
        return f"more than {MOST_LEVELS} folders inside each other"
    for part in parts:
        fault = _fault_of_part(part)
        if fault is not None:
            return fault
    return None


def portable_name(name: str) -> str | None:
    """What keeps a name from being that of a file everywhere, or None where nothing does."""
    return "expected a name without folders" if "/" in name else portable(name)


@lru_cache(maxsize=1 << 16)  # most paths share their folders
def _fault_of_part(name: str) -> str | None:
    """What is wrong with one name of a path that has no forbidden characters, or None."""
    if name in {"", ".", ".."}:
        return f"{name!r} as the name of a folder"
    if name[-1] in ". ":
        return f"{name!r} ends in a dot or a space, which Windows drops"
    if DEVICE.fullmatch(name):
        return f"{name!r} is the name of a device on Windows"
    if (not name.isascii() and len(name.encode()) > LONGEST_NAME) or len(name) > LONGEST_NAME:
        return f"a name of more than {LONGEST_NAME} bytes"
    if folded(IGNORED.sub("", name)) in TRUSTED:
        return f"{name!r}, whose content other programs trust"
    return None


def unportable(paths: Collection[str]) -> str | None:
    """What keeps files from being written everywhere beside each other, or None.

    Args:
        paths: the paths of all files of a folder; one that stands there twice is at fault.

    Returns:
        The path or two that are at fault, escaped, and why.
    """
    for path in paths:
        fault = portable(path)
        if fault is not None:
            return f"{path!a:.120}: {fault}"
    clash = clash_among(paths)
    if clash is None:
        return None
    return f"{clash[0]!a:.120} and {clash[1]!a:.120} cannot both be files on every system"


def within(path: str) -> str | None:
    """What may lead a path out of its folder on some system, or None where nothing does."""
    if not is_text(path):
        return "no Unicode text"
    if CONTROL.search(path):
        return "control characters or backslashes"
    if len(path.encode()) > LONGEST_WITHIN:
        return f"more than {LONGEST_WITHIN} bytes"
    parts = path.split("/")
    if len(parts) > MOST_LEVELS:
        return f"more than {MOST_LEVELS} parts"
    for part in parts:
        if part in {"", ".", ".."}:
            return "an absolute path, or one with an empty part, '.' or '..'"
        if len(part.encode()) > LONGEST_NAME:
            return f"a part of more than {LONGEST_NAME} bytes"
        if DRIVE.match(part):
            return "a part that begins as a drive does"
    return None


def folded(path: str) -> str:
    """What file systems that fold case and normalise Unicode take a path for."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def clash_among(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that cannot both be files everywhere, or None.

    Either they are one, or differ in case or normalisation alone, or one is a folder on the
    way to the other.
    """
    files: dict[str, str] = {}
    for path in paths:
        key = folded(path)
        if key in files:
            return files[key], path
        files[key] = path
    seen: set[str] = set()
    for key, path in files.items():
        for end in _slashes(key):
            folder = key[:end]
            if folder in files:
                return files[folder], path
            if folder in seen:
                break
            seen.add(folder)
    return None


def clashing(paths: Iterable[str], others: Iterable[str]) -> set[str]:
    """Those of some paths that cannot be files everywhere beside others.

    Args:
        paths: the paths that are looked at, which may clash among themselves.
        others: the paths beside which they are to be, which do not clash.
    """
    files = {folded(one): one for one in others}
    folders = {key[:end] for key in files for end in _slashes(key)}
    return {
        path
        for path in paths
        for key in [folded(path)]
        if files.get(key, path) != path
        or key in folders
        or any(key[:end] in files for end in _slashes(key))
    }


def _slashes(path: str) -> Iterator[int]:
    """Where the names of the folders on the way to a file end, from the last to the first."""
    end = path.rfind("/")
    while end > 0:
        yield end
        end = path.rfind("/", 0, end)
