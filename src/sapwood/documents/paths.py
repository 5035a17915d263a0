"""Names of files that mean the same everywhere: relative, POSIX, safe on every system.

A template may come from anybody. Its paths are refused unless they stay inside of the
workspace, can be written on Linux, macOS and Windows alike, and stay apart on file
systems that fold case or normalise Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from sapwood.documents.canonical_json import is_text

LONGEST_PATH = 4096  # bytes of UTF-8
LONGEST_NAME = 255  # bytes of UTF-8, of each part of a path: as most file systems have it
DEEPEST = 64  # parts of a path
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
DRIVE = re.compile(r"[A-Za-z]:")


def path_fault(path: str) -> str | None:
    """Why a path cannot be one of a folder's, or None where it can."""
    if not is_text(path):
        return "is no Unicode text"
    if CONTROL.search(path) or "\\" in path:
        return "has control characters or backslashes"
    if len(path.encode()) > LONGEST_PATH:
        return f"has more than {LONGEST_PATH} bytes"
    parts = path.split("/")
    if len(parts) > DEEPEST:
        return f"has more than {DEEPEST} parts"
    for part in parts:
        if part in {"", ".", ".."}:
            return "is not relative, or has an empty part, '.' or '..'"
        if len(part.encode()) > LONGEST_NAME:
            return f"has a part of more than {LONGEST_NAME} bytes"
        if DRIVE.match(part):
            return "has a part that begins as a drive does"
    return None


MOST_LETTERS = 1024  # of a path
MOST_BYTES = 255  # of one name in it, in UTF-8
MOST_LEVELS = 64

# What Windows takes for a device, whatever stands behind a dot.
RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?: *\..*)?",
    re.IGNORECASE | re.DOTALL,
)
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ud800-\udfff]')

# Names of folders whose content programs run or trust.
PRIVATE = frozenset({".git", ".hg", ".svn"})


def fault_of(path: str) -> str | None:
    """What is wrong with a path from outside, or None."""
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
        fault = fault_of_name(part)
        if fault:
            return fault
    return None


@lru_cache(maxsize=1 << 16)  # most paths share their folders
def fault_of_name(name: str) -> str | None:
    """What is wrong with one name of a path, or None."""
    if name in {"", ".", ".."}:
        return f"{name!r} as the name of a folder"
    if name[-1] in ". ":
        return f"{name!r} ends in a dot or a space, which Windows drops"
    if RESERVED.fullmatch(name):
        return f"{name!r} is the name of a device on Windows"
    if (not name.isascii() and len(name.encode()) > MOST_BYTES) or len(name) > MOST_BYTES:
        return f"a name of more than {MOST_BYTES} bytes"
    if folded(name) in PRIVATE:
        return f"{name!r}, whose content other programs trust"
    return None


def folded(path: str) -> str:
    """What file systems that fold case and normalise Unicode take a path for."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def clashing(paths: Iterable[str], others: Iterable[str]) -> set[str]:
    """Those of some paths that cannot be files everywhere beside others, which do not clash."""
    files = {folded(one): one for one in others}
    folders = {key[:end] for key in files for end in slashes(key)}
    return {
        path
        for path in paths
        for key in [folded(path)]
        if files.get(key, path) != path
        or key in folders
        or any(key[:end] in files for end in slashes(key))
    }


def slashes(path: str) -> Iterator[int]:
    """Where the folders on the way to a file end."""
    end = path.find("/")
    while end > 0:
        yield end
        end = path.find("/", end + 1)


def clash_among(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that cannot both be files everywhere, or None.

    Either they differ in case or normalisation alone, or one is a folder on the way to
    the other.
    """
    files: dict[str, str] = {}
    for path in paths:
        other = files.setdefault(folded(path), path)
        if other is not path:
            return other, path
    seen: set[str] = set()
    for key, path in files.items():
        end = key.rfind("/")
        while end > 0 and key[:end] not in seen:
            folder = key[:end]
            if folder in files:
                return files[folder], path
            seen.add(folder)
            end = key.rfind("/", 0, end)
    return None
