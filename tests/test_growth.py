"""Work grows as its input does, whoever made it: steps and memory, counted at three sizes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import sapwood
from sapwood.modelfile import FORMATS
from support.growing_documents import DOCUMENTS
from support.growing_models import MODELS
from support.growth import check_growth

SUBJECTS = {family.subject for family in (*DOCUMENTS.values(), *MODELS.values())}
# Those of the patch format are bounded by limits that their own tests look at.
ROOMS = ("documents", "modelfile", "package", "store", "workspace")


@pytest.mark.parametrize("family", DOCUMENTS)
def test_twice_the_document_takes_twice_the_work(family: str) -> None:
    check_growth(DOCUMENTS[family])


@pytest.mark.parametrize("family", MODELS)
def test_twice_the_model_takes_twice_the_work(family: str) -> None:
    check_growth(MODELS[family])


def test_every_parser_has_a_family() -> None:
    """Every public function of these rooms that is called `parse...`, and every format."""
    found = {
        f"{module.__name__.removeprefix('sapwood.')}.{name}"
        for module in modules_of(*ROOMS)
        for name, value in vars(module).items()
        if name.startswith("parse") and inspect.isfunction(value)
        if value.__module__ == module.__name__
    }
    formats = {
        module.__name__.removeprefix("sapwood.")
        for module in modules_of("modelfile")
        if getattr(module, "FORMAT", None) in FORMATS
    }
    assert len(found) > 8
    assert len(formats) == len(FORMATS)
    assert found | formats <= SUBJECTS


def test_every_subject_is_there() -> None:
    for subject in SUBJECTS:
        room, _, name = subject.rpartition(".")
        try:
            importlib.import_module(f"sapwood.{subject}")
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(f"sapwood.{room}"), name)


def modules_of(*rooms: str) -> list[ModuleType]:
    """The modules of some rooms that are there."""
    return [
        importlib.import_module(one.name)
        for one in pkgutil.walk_packages(sapwood.__path__, "sapwood.")
        if one.name.split(".")[1] in rooms
    ]
