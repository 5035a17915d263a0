"""Values that several parts of a manifest have: versions, paths, patterns."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable
from sapwood.documents.patterns import Pattern


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


def pattern_in(table: Fields, field: str, text: str) -> Pattern:
    """A pattern."""
    try:
        return Pattern.of(text)
    except ValueError as e:
        raise table.fail(field, str(e)) from e
