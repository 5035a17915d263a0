"""Prints the rooms of the package, on which floor each stands, and what it imports.

    python quality/import_graph.py [SRC]

A room is a module or package directly below `sapwood`. Its floor is one above the highest of
those that it imports, so that a room on floor 0 imports none. Rooms that import each other in a
circle share a floor and are named below the table. Imports for type checkers alone do not count.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "sapwood"


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "src"
    files = sorted((source / PACKAGE).rglob("*.py"))
    rooms = {room for file in files if (room := room_of(source, file)) is not None}
    arrows: dict[str, set[str]] = defaultdict(set)
    modules: dict[str, int] = defaultdict(int)
    lines: dict[str, int] = defaultdict(int)
    for file in files:
        room = room_of(source, file)
        text = file.read_text(encoding="utf-8")
        if room is None:
            continue
        modules[room] += 1
        lines[room] += text.count("\n")
        found = {name.split(".")[1] for name in imported(ast.parse(text)) if "." in name}
        arrows[room] |= (found & rooms) - {room}
    floors = {room: floor_of(room, arrows, ()) for room in rooms}
    print(f"{'floor':>5}  {'room':<12} {'modules':>7} {'lines':>6}  imports")
    for room in sorted(rooms, key=lambda one: (-floors[one], one)):
        below = ", ".join(sorted(arrows[room], key=lambda one: (-floors[one], one)))
        print(
            f"{floors[room]:>5}  {room:<12} {modules[room]:>7} {lines[room]:>6}  {below}".rstrip()
        )
    circles = sorted({min((a, b), (b, a)) for a in rooms for b in arrows[a] if a in arrows[b]})
    total = sum(map(len, arrows.values()))
    print(
        f"{len(rooms)} rooms, {sum(modules.values())} modules, {sum(lines.values())} lines,",
        end=" ",
    )
    print(f"{total} arrows, circles: {', '.join(' <-> '.join(c) for c in circles) or 'none'}")


def room_of(source: Path, file: Path) -> str | None:
    """The room of a file; None of the package's own `__init__` and `__main__`."""
    name = file.relative_to(source).with_suffix("").parts[1]
    return None if name in {"__init__", "__main__"} else name


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports, in functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imported(other)
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith(PACKAGE))
        yield from imported(node)


def floor_of(room: str, arrows: dict[str, set[str]], above: tuple[str, ...]) -> int:
    """How many rooms stand below one, on the longest way down."""
    below = [floor_of(one, arrows, (*above, room)) for one in arrows[room] if one not in above]
    return max(below, default=-1) + 1


if __name__ == "__main__":
    main()
