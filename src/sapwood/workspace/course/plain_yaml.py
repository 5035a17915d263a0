"""YAML that people write by hand: mappings, lists and text, and nothing that builds objects.

Every scalar is text as it was written: `01` stays `01`, which YAML takes for a number and
would give back as 1. PyYAML (in `sapwood[course]`) reads the syntax and is imported when
there is something to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from sapwood.errors import InputError

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"

LARGEST = 1 << 20  # bytes; PyYAML reads a megabyte or less in a second
MOST_VALUES = 20_000
MOST_LEVELS = 16  # of lists and mappings inside each other
NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
WRITE = "write what is meant in its place"


def _library() -> Any:
    """PyYAML.

    Raises:
        InputError: it is not installed.
    """
    try:
        import yaml
    except ImportError as e:
        raise InputError(
            "courses need PyYAML, which is not installed; pip install 'sapwood[course]'"
        ) from e
    return yaml


def parse_yaml(data: bytes, where: str) -> Value:
    """The one document of a file.

    Args:
        data: the file's bytes, in UTF-8.
        where: name of the file, for errors.

    Raises:
        InputError: it is no YAML, too large or too deep, has an anchor, an alias, a tag, a key
            twice or a second document; with line and column, whatever the bytes. Or PyYAML is
            not installed.
    """
    if len(data) > LARGEST:
        raise InputError(f"{where}: expected at most {LARGEST} bytes, found {len(data)}")
    yaml = _library()
    try:
        text = data.decode("utf-8-sig")
        return Reader(where, yaml, yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise InputError(
            f"{where}{_place(mark)}: no YAML: {str(e.problem or e.context)[:200]}"
        ) from e
    # A character that cannot be, as in "\UFFFFFFFF"; a version with too many digits.
    except (yaml.YAMLError, ValueError, OverflowError) as e:
        raise InputError(f"{where}: no YAML in UTF-8: {str(e)[:200]}") from e


def _place(mark: Any) -> str:
    """A line and a column, counted from one."""
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


class Reader:
    """Makes values of the events that PyYAML's parser gives; one use."""

    def __init__(self, where: str, yaml: Any, events: Iterator[Any]) -> None:
        """Reads nothing yet.

        Args:
            where: name of the file, for errors.
            yaml: PyYAML.
            events: events of the file.
        """
        self._where = where
        self._yaml = yaml
        self._events = events
        self._level = 0
        self._values = 0

    def document(self) -> Value:
        """The value of the only document; None where there is none.

        Raises:
            InputError: there is a second document, or more than the limits allow, or anything but
            mappings, lists and text.
        """
        value: Value = None
        documents = 0
        for event in self._events:
            if isinstance(event, self._yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._fail(event, "a second document", "keep one")
                value = self._value(next(self._events))
        return value

    def _value(self, event: Any) -> Value:
        """The value that an event begins."""
        yaml = self._yaml
        self._values += 1
        if self._values > MOST_VALUES:
            raise self._fail(event, f"more than {MOST_VALUES} values", "shorten it")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._fail(event, "an anchor or an alias", WRITE)
        if event.tag is not None:
            raise self._fail(event, f"the tag {event.tag!r:.60}", WRITE)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None and event.value in NOTHING
            return None if plain else str(event.value)
        self._level += 1
        if self._level > MOST_LEVELS:
            raise self._fail(event, f"more than {MOST_LEVELS} levels", "write it flat")
        value = self._list() if isinstance(event, yaml.SequenceStartEvent) else self._mapping()
        self._level -= 1
        return value

    def _list(self) -> list[Value]:
        items: list[Value] = []
        while not isinstance(event := next(self._events), self._yaml.SequenceEndEvent):
            items.append(self._value(event))
        return items

    def _mapping(self) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        while not isinstance(event := next(self._events), self._yaml.MappingEndEvent):
            key = self._value(event)
            if not isinstance(key, str):
                raise self._fail(event, "a key that is no text", "name the field")
            if key in fields:
                raise self._fail(event, f"{key!r:.60} a second time", "keep one of the two")
            fields[key] = self._value(next(self._events))
        return fields

    def _fail(self, event: Any, found: str, remedy: str) -> InputError:
        return InputError(f"{self._where}{_place(event.start_mark)}: found {found}; {remedy}")
