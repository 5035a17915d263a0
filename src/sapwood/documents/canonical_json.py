"""JSON with one encoding per value: keys sorted, no spaces, UTF-8.

What comes in is hostile: keys that occur twice, numbers past 64 bits, NaN, and nesting that
Python cannot take are refused. Values that belong to nobody but their users are checked in
`documents.fields`, as all types are. Notebooks are read elsewhere (`package.canonical`): their
programs write JSON more freely than this.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sapwood.documents.fields import MOST, Fields
from sapwood.errors import InputError, SapwoodError

DIGITS = 20  # of the longest number that fits 64 bits, with its sign


class NotJson(ValueError):
    """Bytes that are no JSON, or none that is safe to use.

    Attributes:
        reason: what is wrong, without a place.
        place: the byte where that was noticed, or None where no single place can be named.
    """

    def __init__(self, reason: str, place: int | None = None, line: str = "") -> None:
        super().__init__(f"{reason}{line}")
        self.reason = reason
        self.place = place


def serialise(value: object) -> bytes:
    """The canonical bytes of a JSON value.

    Raises:
        InputError: the value holds something that JSON does not have.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as e:
        raise InputError(f"metadata must be plain JSON values: {e}") from e


def decode(data: bytes) -> Any:
    """The value of JSON text.

    Raises:
        NotJson: it is not JSON, or not safe to use; nothing else, whatever the bytes.
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=unique,
            parse_constant=_refuse,
            parse_int=_bounded,
            parse_float=_finite,
        )
    except UnicodeDecodeError as e:
        raise NotJson("expected UTF-8", e.start, f" at byte {e.start}") from e
    except json.JSONDecodeError as e:
        line = f" at line {e.lineno}, column {e.colno}"
        raise NotJson(e.msg, len(e.doc[: e.pos].encode()), line) from e
    except RecursionError as e:
        raise NotJson("nested too deeply") from e


def parse(
    data: bytes,
    where: str,
    error: type[SapwoodError],
    *,
    remedy: str = "",
    most: int | None = None,
) -> Any:
    """The value of a document that is JSON text.

    Args:
        data: the document.
        where: name of the document, for errors.
        error: class of what is raised.
        remedy: what to do, put behind every error; empty for nothing.
        most: bytes of memory that its values may take, None for any number.

    Raises:
        The given error: it is not JSON, not safe to use, or takes too much memory; nothing
            else, whatever the bytes.
    """
    advice = f"; {remedy}" if remedy else ""
    if most is not None and weight(data) > most:
        raise error(f"{where}: expected values of at most {most} bytes in memory{advice}")
    try:
        return decode(data)
    except NotJson as e:
        raise error(f"{where}: no usable JSON: {e}{advice}") from e


def parse_exact(data: bytes, where: str, error: type[SapwoodError], *, remedy: str = "") -> Any:
    """The value of a document that is JSON text in canonical form.

    Args:
        data, where, error, remedy: as `parse` takes them.

    Raises:
        The given error: it is not JSON, not safe to use, or in another form; nothing else,
            whatever the bytes.
    """
    value = parse(data, where, error, remedy=remedy)
    try:
        canonical = serialise(value) == data
    except InputError:  # half a pair of surrogates
        canonical = False
    if not canonical:
        advice = f"; {remedy}" if remedy else ""
        raise error(f"{where}: expected JSON in canonical form, found another form{advice}")
    return value


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The user's values as a reader will see them: lists for tuples, copies throughout.

    Raises:
        InputError: they hold what a patch cannot: something else than JSON, a key that is no
            text, a number past 64 bits, NaN, or more than 64 levels.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"metadata must be a mapping, found {type(value).__name__}")
    parsed = parse(serialise(dict(value)), "metadata", InputError)
    return Fields(parsed, "metadata", InputError).every_value()


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of an object.

    Raises:
        NotJson: a key occurs twice.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise NotJson(f"the key {twice!r:.60} occurs twice")
    return fields


def weight(data: bytes) -> int:
    """About the most memory that the values of JSON text take, in bytes.

    Empty objects take twenty times as much as their text: a short frame of zstd could
    unpack to text that is within bounds, and the text to values that are not.
    """
    # Text in which one letter needs four bytes takes four for each, in three copies.
    text = len(data) if data.isascii() else 12 * len(data)
    return text + 104 * data.count(b",") + 240 * data.count(b"{") + 80 * data.count(b"[")


def _refuse(constant: str) -> Any:
    raise NotJson(f"{constant} is no JSON number")


def _bounded(digits: str) -> int:
    value = int(digits) if len(digits) <= DIGITS else MOST
    if not -MOST <= value < MOST:
        raise NotJson("a number does not fit 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotJson("a number does not fit a double")
    return value
