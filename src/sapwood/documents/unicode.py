"""Strings that are text: JSON's and TOML's escapes, and file names, may hold what UTF-8 cannot.

Which characters a name may have is said in `documents.paths`; which are safe on a terminal is
not said here.
"""

from __future__ import annotations


def is_text(value: str) -> bool:
    """Whether a string is Unicode text, without half a pair of surrogates in it."""
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)
