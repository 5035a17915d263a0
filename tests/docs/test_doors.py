"""Whoever can import a function can import the types that its signature names, from where it is."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

import pytest

from sapwood import errors, models

pytestmark = pytest.mark.quick

DOORS = (
    "sapwood",
    "sapwood.fetching",
    "sapwood.files",
    "sapwood.modelfile",
    "sapwood.models",
    "sapwood.models.in_place",
    "sapwood.package",
    "sapwood.patch",
    "sapwood.store",
    "sapwood.tensors",
    "sapwood.trust",
    "sapwood.workspace",
)
NAMESPACES = {"sapwood.models.in_place": models}  # whose types are at the door that has them
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def door_named(name: str) -> ModuleType:
    return models.in_place if name in NAMESPACES else importlib.import_module(name)


def room_of(value: Any) -> ModuleType:
    """The door of the room that a class or function is defined in."""
    return importlib.import_module(".".join(value.__module__.split(".")[:2]))


def exported(door: ModuleType) -> list[str]:
    return list(getattr(door, "__all__", ()))


def signed(value: Any) -> Iterator[Any]:
    """What has a signature that callers meet: functions, and the public methods of classes."""
    if inspect.isfunction(value):
        yield value
    elif inspect.isclass(value):
        # Instances of these are made by functions, or are there.
        given = dataclasses.is_dataclass(value) or issubclass(value, Enum)
        given = given or re.search(r"Make one with|Use `", constructor_words(value)) is not None
        for name, one in vars(value).items():
            called = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
            made = name == "__init__" and not given
            if inspect.isfunction(called) and (made or not name.startswith("_")):
                yield called


def constructor_words(kind: type) -> str:
    """What is said of making an instance."""
    return f"{kind.__doc__ or ''} {vars(kind).get('__init__', kind).__doc__ or ''}"


def named_types(function: Any) -> Iterator[tuple[str, object]]:
    """The types of ours that the annotations of a function name."""
    names = vars(sys.modules[function.__module__])
    for annotation in getattr(function, "__annotations__", {}).values():
        for name in NAME.findall(str(annotation)):
            found = names.get(name)
            if inspect.isclass(found):
                if found.__module__.startswith("sapwood.") and found is not vars(errors).get(name):
                    yield name, found
            elif found is not None and not is_elsewhere(name, found):
                yield name, found


def is_elsewhere(name: str, found: object) -> bool:
    """Whether a name of an annotation is no type of ours that callers give or get.

    `Bytes` is NumPy's array of bytes, under a shorter name.
    """
    modules = (typing, collections.abc)
    standard = any(getattr(one, name, None) is found for one in modules)
    return name == "Bytes" or inspect.ismodule(found) or isinstance(found, TypeVar) or standard


@pytest.mark.parametrize("name", DOORS)
def test_types_in_signatures_come_from_the_same_door(name: str) -> None:
    door = door_named(name)
    missing = set()
    for one in exported(door):
        value = getattr(door, one)
        for function in signed(value):
            # Of a class from another room the types are at that room's door.
            doors = [door, *([room_of(value)] if inspect.isclass(value) else [])]
            if name in NAMESPACES:
                doors.append(NAMESPACES[name])
            for word, found in named_types(function):
                if not any(
                    word in exported(place) and getattr(place, word) is found for place in doors
                ):
                    missing.add(f"{function.__qualname__}: {word}")
    assert sorted(missing) == []
