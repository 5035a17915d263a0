"""Values that several parts of a manifest have: lists, versions, paths, patterns, digests."""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable
from sapwood.documents.patterns import Pattern

MOST_ENTRIES = 10_000  # of a list of which not less is said
LONGEST_LINE = 200  # letters
SHA256 = re.compile(r"[0-9a-f]{64}")


def entries_in(table: Fields, field: str, most: int = MOST_ENTRIES) -> list[Fields]:
    """The entries of a list, at most so many; none where the field is absent."""
    entries = table.optional_objects(field)
    if len(entries) > most:
        raise table.fail(field, f"expected at most {most} entries")
    return entries


def version_in(table: Fields, field: str) -> Version:
    """A version as PEP 440 has them."""
    text = table.text(field)
    try:
        if len(text) > 64:
            raise InvalidVersion("too long")
        version = Version(text)
    except InvalidVersion as e:
        raise table.fail(field, f"expected a version such as 1.2.0, found {text!r:.80}") from e
    if version.epoch:  # an exclamation mark, in names of folders
        raise table.fail(field, f"expected a version without an epoch, found {text!r:.80}")
    return version


def path_in(table: Fields, field: str) -> str:
    """A path that is safe on every system."""
    path = table.text(field)
    fault = portable(path)
    if fault:
        raise table.fail(field, f"{path!r:.80}: {fault}")
    return path


def sha256_in(table: Fields) -> str:
    """The field `sha256`: 64 hexadecimal digits, made small letters."""
    sha256 = table.text("sha256").lower()
    if not SHA256.fullmatch(sha256):
        raise table.fail("sha256", f"expected 64 hexadecimal digits, found {sha256!r:.80}")
    return sha256


def line_from(table: Fields, field: str, text: str) -> str:
    """The text of a field that is for people, on one line."""
    if len(text) > LONGEST_LINE or not text.isprintable():
        raise table.fail(field, f"expected at most {LONGEST_LINE} letters on one line")
    return text


def pattern_from(table: Fields, field: str, text: str) -> Pattern:
    """The pattern that a text of a field is."""
    try:
        return Pattern.of(text)
    except ValueError as e:
        raise table.fail(field, str(e)) from e
