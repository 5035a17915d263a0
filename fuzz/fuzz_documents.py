"""Fuzzes what documents of strangers are read with: JSON, TOML, their fields, and paths.

    python fuzz/fuzz_documents.py -max_total_time=60 CORPUS_FOLDER fuzz/corpus/documents

The first byte chooses the reader. Whatever the others are, only the error that was asked for is
raised; a canonical document is written again as it was; a portable path stays in its folder.
"""

from __future__ import annotations

import contextlib
import os.path
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sapwood.documents.canonical_json import NotJson, decode, parse, parse_exact, serialise
from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable, unportable, within
from sapwood.documents.toml import parse_toml
from sapwood.errors import InvalidPatch, InvalidTemplate, UnsupportedPatch

LARGEST = 1 << 20  # bytes of TOML
DEEPEST = 8  # objects inside each other that are asked for their fields
BY_NAME: tuple[Callable[[Fields, str], Any], ...] = (
    Fields.text,
    Fields.optional_text,
    Fields.optional_texts,
    Fields.size,
    Fields.optional_size,
    Fields.sizes,
    Fields.optional_number,
    Fields.flag,
    Fields.object,
    Fields.optional_object,
    Fields.nullable_object,
    Fields.objects,
    Fields.optional_objects,
    Fields.values,
    lambda fields, name: fields.hex(name, 4),
    lambda fields, name: fields.only({name}),
)
OF_ALL: tuple[Callable[[Fields], Any], ...] = (
    Fields.every_text,
    Fields.every_size,
    Fields.every_number,
    Fields.every_object,
    Fields.every_value,
)


def ask(value: object, level: int = 0) -> None:
    """Asks a value, and the objects in it, for everything."""
    with contextlib.suppress(InvalidPatch):
        fields = Fields(value, "a", InvalidPatch, unsupported=UnsupportedPatch, remedy="b")
        assert isinstance(value, dict)
        for name in (*value, "absent"):
            for by_name in BY_NAME:
                with contextlib.suppress(InvalidPatch):
                    by_name(fields, name)
        for of_all in OF_ALL:
            with contextlib.suppress(InvalidPatch):
                of_all(fields)
        for inner in value.values() if level < DEEPEST else ():
            for one in inner if isinstance(inner, list) else [inner]:
                ask(one, level + 1)


def read_json(data: bytes) -> None:
    try:
        value = decode(data)
    except NotJson as e:
        assert e.place is None or 0 <= e.place <= len(data)
        return
    ask(value)
    with contextlib.suppress(InvalidPatch):
        parse(data, "a", InvalidPatch, most=1000)


def read_canonical(data: bytes) -> None:
    with contextlib.suppress(InvalidPatch):
        value = parse_exact(data, "a", InvalidPatch)
        assert serialise(value) == data
        ask(value)


def read_toml(data: bytes) -> None:
    with contextlib.suppress(InvalidTemplate):
        ask(parse_toml(data, "a", InvalidTemplate, LARGEST))


def read_paths(data: bytes) -> None:
    paths = data.decode("utf-8", "surrogateescape").split("\t")
    for path in paths:
        if portable(path) is None:
            assert within(path) is None
        if within(path) is None:
            assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
    if unportable(paths) is None:
        assert len({path.lower() for path in paths}) == len(paths)


READERS: Mapping[str, Callable[[bytes], None]] = {
    "json": read_json,
    "canonical": read_canonical,
    "toml": read_toml,
    "paths": read_paths,
}


def one_input(data: bytes) -> None:
    read = [*READERS.values()][data[0] % len(READERS) if data else 0]
    read(data[1:])


def main() -> None:
    # Here, for the target itself needs none of it.
    import atheris  # type: ignore[import-untyped]
    from instrumenting import instrument_parsers

    instrument_parsers()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
