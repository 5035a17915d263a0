"""What docs/architecture.md and CONTRIBUTING.md say of the code is what the code is."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from support.places import DOCS, ROOT

pytestmark = pytest.mark.quick

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE = ROOT / "src" / "sapwood"
DOTTED = re.compile(r"`((?:[a-z_]+\.)+[A-Za-z_]+)(?:\(\))?`")


def modules() -> dict[str, Path]:
    """All modules by their names, without `sapwood.`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
NAMES = sorted({name.removeprefix("sapwood.") for name in DOTTED.findall(PAGE)})


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rooms_in_table() -> list[str]:
    """The rooms that the first table of the page names, in its order."""
    table = section("Layers").partition("\n\n| ")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in ("| " + table).splitlines()[2:]]
    return [name for cell in first_cells for name in re.findall(r"`([a-z_]+)`", cell)]


def doors_in_table() -> list[tuple[list[str], list[str]]]:
    """The rooms of each row of three columns, and what it says is found at their doors."""
    rows = [line.split("|") for line in section("Layers").splitlines() if line.startswith("| `")]
    return [
        (re.findall(r"`([a-z_]+)`", row[1]), re.findall(r"`(\w+)", row[3]))
        for row in rows
        if len(row) == 5  # the columns, and what stands before the first and behind the last
    ]


def layers() -> list[str]:
    """The rooms in the contract that every import keeps, from above."""
    (contract,) = (
        one
        for one in PROJECT["tool"]["importlinter"]["contracts"]
        if one.get("containers") == ["sapwood"]
    )
    return [name for line in contract["layers"] for name in line.split(" | ")]


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one; the beginning may be left out."""
    holder, _, last = name.rpartition(".")
    if holder in sys.stdlib_module_names:
        return hasattr(importlib.import_module(holder), last)
    for module in MODULES:
        if f".{module}".endswith(f".{name}"):
            return True
        if f".{module}".endswith(f".{holder}"):
            found = importlib.import_module(f"sapwood.{module}" if module else "sapwood")
            if hasattr(found, last):
                return True
    return False


def test_the_table_of_rooms_is_the_tree() -> None:
    rooms = {name.partition(".")[0] for name in MODULES} - {"", "__main__"}
    assert set(rooms_in_table()) == rooms
    assert len(rooms_in_table()) == len(rooms)


def test_the_table_of_rooms_is_in_the_order_of_the_contract() -> None:
    assert rooms_in_table() == layers()


def test_doors_have_what_the_table_says() -> None:
    for rooms, names in doors_in_table():
        assert names, rooms
        doors = [importlib.import_module(f"sapwood.{room}") for room in rooms]
        assert [name for name in names if not any(hasattr(door, name) for door in doors)] == []


def test_the_page_names_modules() -> None:
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name: str) -> None:
    assert exists(name) or list(ROOT.glob(name)) or list(DOCS.glob(name))


def test_contributing_names_those_who_speak_to_the_kernel() -> None:
    ignores = PROJECT["tool"]["ruff"]["lint"]["per-file-ignores"]
    allowed = {
        re.sub(r"^src/|/\*\*$|\.py$", "", place).replace("/", ".")
        for place, rules in ignores.items()
        if "TID251" in rules and place.startswith("src/")
    }
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    sentence = re.search(r"Only ([^.]*?(?:`\S+`[^.]*?)*) imports? the kernel", text)
    assert sentence
    assert set(re.findall(r"`(sapwood\.[a-z_.]+)`", sentence[1])) == allowed
