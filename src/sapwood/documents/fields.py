"""Typed access to the tables of a manifest and the objects of a record.

What comes in was parsed from TOML or JSON that anybody may have written. Every accessor
raises the error that its table was made with, and names the path of the field.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sapwood.errors import SapwoodError


class Table:
    """The fields of one table, by type."""

    def __init__(self, value: object, where: str, error: type[SapwoodError]) -> None:
        """Wraps a parsed value.

        Args:
            value: which must be a table.
            where: its path, for errors.
            error: what to raise.
        """
        self.where = where
        self._error = error
        if not isinstance(value, dict):
            raise error(f"{where}: expected a table, found {type(value).__name__}")
        self._value: dict[str, Any] = value

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def has(self, name: str) -> bool:
        """Whether a field is there, and not null."""
        return self._value.get(name) is not None

    def fail(self, name: str, message: str) -> SapwoodError:
        """The error that names a field."""
        return self._error(f"{self.where}.{name}: {message}")

    def only(self, known: Collection[str]) -> None:
        """Refuses fields that are not among `known`: most are misspelt."""
        unknown = sorted(self._value.keys() - set(known))
        if unknown:
            raise self._error(
                f"{self.where}: expected fields among {', '.join(sorted(known))}; "
                f"found {unknown[0]!r:.60}"
            )

    def _get(self, name: str, kind: type, word: str) -> Any:
        value = self._value.get(name)
        # bool is an int to Python, but not to JSON and TOML.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            found = type(value).__name__ if name in self._value else "nothing"
            raise self.fail(name, f"expected {word}, found {found}")
        return value

    def text(self, name: str) -> str:
        """A string of Unicode text."""
        value = str(self._get(name, str, "text"))
        if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
            raise self.fail(name, "expected Unicode text, found half a surrogate pair")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string, or None where the field is absent or null."""
        return None if self._value.get(name) is None else self.text(name)

    def integer(self, name: str) -> int:
        """A whole number that is not negative."""
        value = int(self._get(name, int, "a whole number"))
        if not 0 <= value < 2**63:
            raise self.fail(name, f"expected 0 to 2^63 - 1, found {value:.3e}")
        return value

    def flag(self, name: str) -> bool:
        """A truth value; false where the field is absent."""
        return bool(self._get(name, bool, "true or false")) if name in self._value else False

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty where the field is absent."""
        if name not in self._value:
            return []
        items = self._get(name, list, "a list")
        return [
            Table({"item": one}, f"{self.where}.{name}[{i}]", self._error).text("item")
            for i, one in enumerate(items)
        ]

    def table(self, name: str) -> Table:
        """A table."""
        return Table(self._get(name, dict, "a table"), f"{self.where}.{name}", self._error)

    def sequence(self, name: str) -> list[Any]:
        """A list whose items are not checked."""
        return list(self._get(name, list, "a list"))

    def tables(self, name: str) -> list[Table]:
        """A list of tables; empty where the field is absent."""
        if name not in self._value:
            return []
        return [
            Table(one, f"{self.where}.{name}[{i}]", self._error)
            for i, one in enumerate(self._get(name, list, "a list of tables"))
        ]

    def named_tables(self, name: str) -> dict[str, Table]:
        """The tables of a table, by their names."""
        items = self._get(name, dict, "a table")
        return {
            key: Table(value, f"{self.where}.{name}[{key!r:.80}]", self._error)
            for key, value in items.items()
        }

    def mapping(self, name: str) -> dict[str, Any]:
        """A table whose keys and values are not checked."""
        return dict(self._get(name, dict, "a table"))
