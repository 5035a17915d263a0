"""Typed access to the fields of what anybody may have written, once its syntax is read.

JSON, TOML and YAML alike come to mappings, lists, text and numbers. Every accessor raises the
error that its object was made with, and no other, whatever the values; the error names the path
of the field, as in `header.bases[0].size`. Paths are put together when an error needs one.

Bytes are not read here (`documents.canonical_json`, `documents.toml`), nor is anything said of
what values mean: that is for those who ask.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any, TypeAlias, TypeVar

from sapwood.documents.unicode import is_text
from sapwood.errors import SapwoodError

MOST = 2**63
DEEPEST = 64  # levels of nesting of values that belong to the user
SIZE = "a whole number from 0 to 2^63 - 1"
NEWER = "a newer program may have written it: update sapwood"

T = TypeVar("T")
_Place: TypeAlias = "tuple[Fields, str, int | str | None]"
"""The object that holds another one, the field, and the number or name within the field."""


class Fields:
    """The fields of one object, by type.

    Numbers are never true or false, which are numbers to Python alone.
    """

    __slots__ = ("_error", "_place", "_remedy", "_unsupported", "_value")

    def __init__(
        self,
        value: Any,
        where: str | _Place,
        error: type[SapwoodError],
        *,
        unsupported: type[SapwoodError] | None = None,
        remedy: str = "",
    ) -> None:
        """Wraps a value that was parsed.

        Args:
            value: the value, which should be an object.
            where: path of the object, for errors.
            error: class of what is raised.
            unsupported: class of what `only` raises where a newer program may know more
                fields; None for `error`, where unknown fields are mistakes.
            remedy: what to do, put behind every error; empty for nothing.
        """
        self._place = where
        self._error = error
        self._unsupported = unsupported
        self._remedy = remedy
        if not isinstance(value, dict):
            raise self.fail("", f"expected named fields, found {_found(value)}")
        self._value: dict[str, Any] = value

    @property
    def where(self) -> str:
        """Path of the object."""
        if isinstance(self._place, str):
            return self._place
        above, name, key = self._place
        return above.at(name, key)

    def at(self, name: str, key: int | str | None = None) -> str:
        """Path of a field, or of what lies in it under a name or number.

        Args:
            name: the field's name; empty for the object itself.
            key: name or number of what lies in the field; None for all of it.
        """
        field = f".{name}" if name else ""
        return f"{self.where}{field}" + ("" if key is None else f"[{key!r:.80}]")

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def fail(self, name: str, message: str, key: int | str | None = None) -> SapwoodError:
        """The error that names a field, or what lies in it, and says what to do.

        Args:
            name, key: what `at` takes.
            message: what was expected there, and what was found.
        """
        remedy = f"; {self._remedy}" if self._remedy else ""
        return self._error(f"{self.at(name, key)}: {message}{remedy}")

    def only(self, known: Collection[str]) -> None:
        """Refuses fields that are not among `known`.

        Raises:
            The `unsupported` error: there is one, and the object has another field.
            The object's error: likewise, where there is no such class.
        """
        unknown = sorted(self._value.keys() - set(known))
        if not unknown:
            return
        message = f"expected fields among {', '.join(sorted(known))}; found {unknown[0]!r:.60}"
        if self._unsupported is None:
            raise self.fail("", message)
        raise self._unsupported(f"{self.where}: {message}; {NEWER}")

    def text(self, name: str) -> str:
        """A string of Unicode text."""
        return self._text(self._value.get(name, _ABSENT), name)

    def optional_text(self, name: str, *, null: bool = False) -> str | None:
        """A string of Unicode text, or None where the field is absent.

        Args:
            name: the field's name.
            null: whether null stands for an absent field.
        """
        return None if self._lacks(name, null) else self.text(name)

    def optional_texts(self, name: str) -> list[str]:
        """A list of strings of Unicode text; empty where the field is absent."""
        return [self._text(one, name, i) for i, one in self._items(name, optional=True)]

    def every_text(self) -> dict[str, str]:
        """All fields, whatever their names, each a string of Unicode text."""
        return {key: self._text(one, "", key) for key, one in self._value.items()}

    def size(self, name: str) -> int:
        """A whole number from 0 to 2^63 - 1."""
        return self._size(self._value.get(name, _ABSENT), name)

    def optional_size(self, name: str) -> int | None:
        """A whole number from 0 to 2^63 - 1, or None where the field is absent."""
        return self.size(name) if name in self._value else None

    def sizes(self, name: str) -> list[int]:
        """A list of whole numbers from 0 to 2^63 - 1."""
        found = self._get(name, list, "a list")
        for i, one in enumerate(found):  # an index has one for each chunk
            if type(one) is not int or not 0 <= one < MOST:
                raise self._wrong(one, SIZE, name, i)
        return list(found)

    def every_size(self) -> dict[str, int]:
        """All fields, whatever their names, each a whole number from 0 to 2^63 - 1."""
        return {key: self._size(one, "", key) for key, one in self._value.items()}

    def optional_number(self, name: str) -> float | None:
        """A finite number, or None where the field is absent."""
        return self._number(self._value[name], name) if name in self._value else None

    def every_number(self) -> dict[str, float]:
        """All fields, whatever their names, each a finite number."""
        return {key: self._number(one, "", key) for key, one in self._value.items()}

    def flag(self, name: str) -> bool:
        """True or false; false where the field is absent."""
        return self._get(name, bool, "true or false") if name in self._value else False

    def hex(self, name: str, size: int) -> bytes:
        """`size` bytes in lower-case hexadecimal."""
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) != size or value.hex() != text:
            raise self.fail(
                name, f"expected {size} bytes in lower-case hexadecimal, found {text!r:.40}"
            )
        return value

    def object(self, name: str) -> Fields:
        """An object."""
        return self._below(self._value.get(name, _ABSENT), name)

    def optional_object(self, name: str, *, null: bool = False) -> Fields | None:
        """An object, or None where the field is absent.

        Args:
            name: the field's name.
            null: whether null stands for an absent field.
        """
        return None if self._lacks(name, null) else self.object(name)

    def nullable_object(self, name: str) -> Fields | None:
        """An object, or None where the field is null; absent it may not be."""
        return None if self._value.get(name, _ABSENT) is None else self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [self._below(one, name, i) for i, one in self._items(name)]

    def optional_objects(self, name: str) -> list[Fields]:
        """A list of objects; empty where the field is absent."""
        return [self._below(one, name, i) for i, one in self._items(name, optional=True)]

    def every_object(self) -> dict[str, Fields]:
        """All fields, whatever their names, each an object."""
        return {key: self._below(one, "", key) for key, one in self._value.items()}

    def values(self, name: str) -> list[Any]:
        """A list of anything."""
        return list(self._get(name, list, "a list"))

    def every_value(self) -> dict[str, Any]:
        """All fields, of an object that is its user's: 64 levels at most, all text Unicode."""
        level: list[Any] = [self._value]
        for _ in range(DEEPEST):
            level = [below for one in level for below in _inside(one)]
            if not level:
                return dict(self._value)
            if not all(is_text(one) for one in level if isinstance(one, str)):
                raise self.fail("", "expected Unicode text, found half a pair of surrogates")
        raise self.fail("", f"expected at most {DEEPEST} levels of nesting, found more")

    def _wrong(self, value: Any, words: str, name: str, key: int | str | None) -> SapwoodError:
        """The error for a value of another type than expected."""
        return self.fail(name, f"expected {words}, found {_found(value)}", key)

    def _lacks(self, name: str, null: bool) -> bool:
        return name not in self._value or (null and self._value[name] is None)

    def _get(self, name: str, kind: type[T], words: str) -> T:
        value = self._value.get(name, _ABSENT)
        if not isinstance(value, kind):
            raise self._wrong(value, words, name, None)
        return value

    def _items(self, name: str, *, optional: bool = False) -> Iterator[tuple[int, Any]]:
        if optional and name not in self._value:
            return iter(())
        return enumerate(self._get(name, list, "a list"))

    def _text(self, value: Any, name: str, key: int | str | None = None) -> str:
        if not isinstance(value, str):
            raise self._wrong(value, "text", name, key)
        if not is_text(value):
            raise self._wrong(value, "Unicode text", name, key)
        return value

    def _size(self, value: Any, name: str, key: int | str | None = None) -> int:
        if type(value) is not int or not 0 <= value < MOST:
            raise self._wrong(value, SIZE, name, key)
        return value

    def _number(self, value: Any, name: str, key: str | None = None) -> float:
        if isinstance(value, float) and math.isfinite(value):
            return value
        if type(value) is int and -MOST <= value < MOST:
            return float(value)
        raise self._wrong(value, "a finite number", name, key)

    def _below(self, value: Any, name: str, key: int | str | None = None) -> Fields:
        return Fields(
            value,
            (self, name, key),
            self._error,
            unsupported=self._unsupported,
            remedy=self._remedy,
        )


_ABSENT = object()


def _inside(value: Any) -> Iterator[Any]:
    """What lies directly in a value: keys and values of an object, items of a list."""
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _found(value: object) -> str:
    """A value in an error: its kind, or a number as it is."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value) if -MOST <= value < MOST else "a number past 64 bits"
        case float():
            return repr(value)
        case str():
            return "text" if is_text(value) else "half a pair of surrogates"
        case list():
            return "a list"
        case dict():
            return "named fields"
        case _:
            return "nothing" if value is _ABSENT else type(value).__name__
