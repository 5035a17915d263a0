"""Kills updates in place wherever they can be, and tells what comes of the file.

Run by `models/in_place/test_survives_kills.py` in a process of its own, which forks: the folder
holds `base`, `target` and `patch`.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from sapwood import models
from sapwood.codec.local import plan_locally
from sapwood.content.content import Bytes
from sapwood.models.applying.in_place import undoing
from sapwood.tensors import DType
from support.chosen_calls import STEP
from support.kills import Kill, finishes

FILE = Path("model")
JOURNAL = Path(".model.sapwood-journal")
BASE, TARGET = Path("base").read_bytes(), Path("target").read_bytes()


def forth() -> None:
    models.in_place.apply(
        FILE, "patch", undo=UNDO, step=2048, receiving=models.Receiving(threads=1)
    )


def back() -> None:
    models.in_place.roll_back(FILE, receiving=models.Receiving(threads=1))


def fresh() -> None:
    """The base, and nothing beside it."""
    for path in (JOURNAL, Path(f"{JOURNAL}.new")):
        path.unlink(missing_ok=True)
    FILE.write_bytes(BASE)


def check_over(content: bytes) -> None:
    """That the file is as expected, and that nothing is left."""
    assert FILE.read_bytes() == content
    assert [path.name for path in Path().glob(".*")] == []


def every_call(torn: bool, power: int | None) -> int:
    """Kills at each chosen call in turn, goes on, and goes back; returns the last one's number."""
    at = 1 - STEP
    while True:
        at += STEP
        fresh()
        if finishes(forth, Kill(at, torn, None if power is None else power + at)):
            check_over(TARGET)
            return at - 1
        half, journal = FILE.read_bytes(), JOURNAL.exists() and JOURNAL.read_bytes()
        forth()
        check_over(TARGET)
        if not (journal and UNDO):
            assert half in (BASE, TARGET) or not UNDO
            continue
        FILE.write_bytes(half)
        JOURNAL.write_bytes(journal)
        back()
        check_over(BASE)


def wandering(seed: int) -> int:
    """Forth and back by chance, killed each time, until one of both ends; how often."""
    chance = random.Random(seed)
    fresh()
    for turn in range(12):
        forward = not JOURNAL.exists() or chance.random() < 0.6
        kill = Kill(chance.randrange(1, 40), chance.random() < 0.3, chance.choice([None, turn]))
        if finishes(forth if forward else back, kill):
            check_over(TARGET if forward else BASE)
            return turn
    if JOURNAL.exists() and chance.random() < 0.5:
        back()
        check_over(BASE)
    else:
        forth()
        check_over(TARGET)
    return 12


def planned_once() -> None:
    """Lets small files have residuals to undo them with, which take their time to be planned."""
    plans: dict[bytes, Any] = {}

    def plan(dtype: DType, base: Bytes, target: Bytes, row: int) -> Any:
        key = base.tobytes() + target.tobytes()
        if key not in plans:
            plans[key] = plan_locally(dtype, base, target, row)
        return plans[key]

    undoing.LEAST_PLANNED = 0
    vars(undoing)["plan_locally"] = plan
    fresh()
    forth()


os.fsync = lambda handle: None  # type: ignore[assignment]  # only processes die here
UNDO = sys.argv[1] != "no undo"
planned_once()
match sys.argv[1]:
    case "wander":
        told = max(wandering(seed) for seed in range(int(sys.argv[2])))
    case "power":
        told = every_call(False, 1)
    case mode:
        told = every_call(mode == "torn", None)
sys.stdout.write(str(told))
