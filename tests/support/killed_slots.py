"""Kills updates of slots at every call, and tells what is in use then.

Run by `test_slots.py` in a process of its own, which forks: the folder holds `base`, `target` and
`patch`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from sapwood import models
from sapwood.errors import InputError
from sapwood.models import Slots
from support.chosen_calls import STEP
from support.kills import Kill, finishes

BASE, TARGET = Path("base").read_bytes(), Path("target").read_bytes()
FOLDER = Path("slots")
CURRENT = FOLDER / "current" / "model"
os.fsync = lambda handle: None  # type: ignore[assignment]  # only processes die here


def update() -> None:
    slots = Slots(FOLDER)
    slots.prepare("patch", receiving=models.Receiving(threads=1))
    slots.switch()


def check_update() -> None:
    """What is in use is whole; where it is the base, the update can be done again."""
    content = CURRENT.read_bytes()
    assert content in (BASE, TARGET)
    if content == BASE:
        update()
    assert CURRENT.read_bytes() == TARGET
    assert not list(FOLDER.rglob("*.part"))
    Slots(FOLDER).roll_back()
    assert CURRENT.read_bytes() == BASE


def check_back() -> None:
    if CURRENT.read_bytes() == TARGET:
        Slots(FOLDER).roll_back()
    assert CURRENT.read_bytes() == BASE
    Slots(FOLDER).switch()
    assert CURRENT.read_bytes() == TARGET


def check_install() -> None:
    try:
        assert CURRENT.read_bytes() == BASE
    except FileNotFoundError:
        Slots(FOLDER).install("base", "model")
    assert CURRENT.read_bytes() == BASE
    try:
        Slots(FOLDER).roll_back()
    except InputError:
        update()
    assert CURRENT.read_bytes() == TARGET


def fresh(installed: bool, updated: bool) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    if installed:
        Slots(FOLDER).install("base", "model")
    if updated:
        update()


told = []
for installed, updated, work, check in (
    (False, False, lambda: Slots(FOLDER).install("base", "model"), check_install),
    (True, False, update, check_update),
    (True, True, lambda: Slots(FOLDER).roll_back(), check_back),
):
    at = 1 - STEP
    done = False
    while not done:
        at += STEP
        fresh(installed, updated)
        done = finishes(work, Kill(at))
        check()
    told.append(str(at - 1))
sys.stdout.write(" ".join(told))
