"""TOML of strangers: parsed in bounded time.

The standard library takes any file to its end, but time with the square of the parts of a
dotted key, and, below a header, of its parts for each line: a megabyte of `a.a.a...` keeps it
busy for hours. What the values are is asked for through `documents.fields`.
"""

from __future__ import annotations

import tomllib
from typing import Any

from sapwood.errors import SapwoodError

MOST_PARTS = 16  # of a header, such as [a.b]
MOST_STEPS = 1 << 23  # of the parser, for dotted keys: less than a second


def parse_toml(data: bytes, where: str, error: type[SapwoodError], largest: int) -> dict[str, Any]:
    """The tables of a document that is TOML.

    Args:
        data: the document.
        where: name of the document, for errors.
        error: class of what is raised.
        largest: bytes that it may have.

    Raises:
        The given error: it is too large or no TOML in UTF-8, or its keys have too many parts;
            nothing else, whatever the bytes.
    """
    if len(data) > largest:
        raise error(f"{where}: expected at most {largest} bytes, found {len(data)}")
    if not _is_flat(data):
        raise error(f"{where}: expected keys of at most {MOST_PARTS} parts, found more")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as e:
        raise error(f"{where}: no TOML: {e}") from e


def _is_flat(data: bytes) -> bool:
    """Whether keys cannot be long enough to take much time, by the dots of each line.

    Keys end with their line. Dots of strings count too, which takes lines that no manifest has
    to matter: some thousand dots in one.
    """
    steps = 0
    for line in data.split(b"\n"):
        dots = line.count(b".")
        steps += dots * dots
        if dots > MOST_PARTS and line.lstrip().startswith(b"["):
            return False
    return steps <= MOST_STEPS
