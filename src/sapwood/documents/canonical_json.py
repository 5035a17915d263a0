"""JSON with one encoding per value, and typed access to its fields.

Keys sorted, no spaces, UTF-8. What comes in is hostile: duplicate keys, numbers
past 2^63, deep nesting and NaN are refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from sapwood.errors import InputError, InvalidPatch, UnsupportedPatch

MOST = 2**63
DEEPEST = 64  # levels of nesting of the user's values


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


def parse(data: bytes, what: str) -> Any:
    """The value of JSON text.

    Raises:
        InvalidPatch: it is not JSON, or not safe to use.
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=_bounded,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as e:
        raise InvalidPatch(f"damaged {what}: {e}; get the patch anew") from e


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The user's values as a reader will see them: lists for tuples, copies throughout.

    Raises:
        InputError: they hold something that a patch cannot: no JSON, a key that is no
            text, a number past 64 bits, NaN, or more than 64 levels.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"metadata must be a mapping, found {type(value).__name__}")
    try:
        fields = Fields({"metadata": parse(serialise(dict(value)), "metadata")}, "header")
        return dict(fields.mapping("metadata"))
    except InvalidPatch as e:
        raise InputError(f"metadata does not fit a patch: {e}") from e


def weight(data: bytes) -> int:
    """About the most memory that the values of JSON text take, in bytes.

    Empty objects take twenty times as much as their text: a short frame of zstd could
    unpack to text that is within bounds, and the text to values that are not.
    """
    # Text in which one letter needs four bytes takes four for each, in three copies.
    text = len(data) if data.isascii() else 12 * len(data)
    return text + 104 * data.count(b",") + 240 * data.count(b"{") + 80 * data.count(b"[")


def parse_exact(data: bytes, what: str) -> Any:
    """The value of JSON text in canonical form.

    Raises:
        InvalidPatch: it is not JSON, not safe to use, or not canonical.
    """
    value = parse(data, what)
    try:
        canonical = serialise(value) == data
    except InputError:  # a lone surrogate
        canonical = False
    if not canonical:
        raise InvalidPatch(f"damaged {what}: not in canonical form; get the patch anew")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _bounded(digits: str) -> int:
    value = int(digits)
    if not -MOST <= value < MOST:
        raise ValueError("a number does not fit 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number does not fit a double")
    return value


def is_text(value: str) -> bool:
    """Whether a string is Unicode text; JSON's escapes can name half a surrogate pair."""
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def _check_user_values(value: Any, where: str) -> None:
    """Refuses what other readers could not take: deep nesting, strings that are no text."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.keys()
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not is_text(one):
                raise InvalidPatch(f"{where}: a string that is no Unicode text")
        if not below:
            return
        level = below
    raise InvalidPatch(f"{where}: more than {DEEPEST} levels of nesting")


class Fields:
    """The fields of a JSON object, by type; errors name the path.

    Every accessor raises InvalidPatch when its field is missing or of another type.
    """

    def __init__(self, value: Any, where: str, known: Collection[str] | None = None) -> None:
        """Wraps a parsed value.

        Args:
            value: which must be an object.
            where: its path, for errors.
            known: when given, the only fields that there may be.
        """
        self.where = where
        if not isinstance(value, dict):
            raise InvalidPatch(f"{where}: expected an object, found {type(value).__name__}")
        self._value = value
        if known is not None:
            self.only(known)

    def only(self, known: Collection[str]) -> None:
        """Refuses fields that are not among `known`."""
        unknown = sorted(self._value.keys() - set(known))
        if unknown:
            raise UnsupportedPatch(f"{self.where}: unknown field {unknown[0]!r}; update sapwood")

    def _get(self, name: str, kind: type) -> Any:
        value = self._value.get(name)
        # bool is an int to Python, but not to JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidPatch(
                f"{self.where}.{name}: expected {kind.__name__}, found {type(value).__name__}"
            )
        return value

    def text(self, name: str) -> str:
        """A string."""
        value = str(self._get(name, str))
        if not is_text(value):
            raise InvalidPatch(f"{self.where}.{name}: a string that is no Unicode text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or None where the field is absent."""
        return self.text(name) if name in self._value else None

    def size(self, name: str) -> int:
        """A number that is not negative."""
        return self._size(self._get(name, int), name)

    def optional_size(self, name: str) -> int | None:
        """A number that is not negative, or None where the field is absent."""
        return self.size(name) if name in self._value else None

    def _size(self, value: Any, name: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            found = value if isinstance(value, int) else type(value).__name__
            raise InvalidPatch(f"{self.where}.{name}: expected a size, found {found}")
        return value

    def sizes(self, name: str) -> list[int]:
        """A list of numbers that are not negative."""
        return [self._size(one, name) for one in self._get(name, list)]

    def hex(self, name: str, size: int) -> bytes:
        """`size` bytes in lower-case hexadecimal."""
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError as e:
            raise InvalidPatch(f"{self.where}.{name}: expected hexadecimal digits") from e
        if len(value) != size or value.hex() != text:
            raise InvalidPatch(f"{self.where}.{name}: expected {size} bytes in hexadecimal")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self._value

    def flag(self, name: str) -> bool:
        """True or false; false where the field is absent."""
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise InvalidPatch(
                f"{self.where}.{name}: expected true or false, found {type(value).__name__}"
            )
        return value

    def object(self, name: str) -> Fields:
        """An object."""
        return Fields(self._value.get(name), f"{self.where}.{name}")

    def optional_object(self, name: str) -> Fields | None:
        """An object, or None where the field is null."""
        if name in self._value and self._value[name] is None:
            return None
        return self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [
            Fields(one, f"{self.where}.{name}[{i}]") for i, one in enumerate(self._get(name, list))
        ]

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object whose fields are the user's."""
        value = dict(self._get(name, dict))
        _check_user_values(value, f"{self.where}.{name}")
        return value

    def counts(self, name: str) -> Mapping[str, int]:
        """An object of numbers that are not negative."""
        return {key: self._size(value, name) for key, value in self._get(name, dict).items()}
