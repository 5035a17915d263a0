"""Writes what `coverage json` measured into docs/quality.md, between its two marks.

python quality/coverage_page.py build/coverage/report.json docs/quality.md
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

BEGIN, END = "<!-- make coverage: begin -->\n", "<!-- make coverage: end -->\n"
NAMED = 3  # modules of each room that the table names


@dataclasses.dataclass(frozen=True)
class Measured:
    """What tests ran of some code.

    Attributes:
        lines: statements that there are.
        missed_lines: those of them that no test ran.
        branches: ways on from a line that has more than one.
        missed_branches: those of them that no test took.
    """

    lines: int = 0
    missed_lines: int = 0
    branches: int = 0
    missed_branches: int = 0

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Measured:
        """Reads a summary of a file in coverage.py's JSON."""
        return cls(
            summary["num_statements"],
            summary["missing_lines"],
            summary["num_branches"],
            summary["missing_branches"],
        )

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.lines + other.lines,
            self.missed_lines + other.missed_lines,
            self.branches + other.branches,
            self.missed_branches + other.missed_branches,
        )

    @property
    def missed(self) -> int:
        """Lines and branches that no test came to."""
        return self.missed_lines + self.missed_branches

    @property
    def percent(self) -> str:
        """The share of lines and branches that tests came to; 100 only where it is all of them."""
        all_of_it = self.lines + self.branches
        tenths = 1000 * (all_of_it - self.missed) // all_of_it if all_of_it else 1000
        return f"{tenths // 10}.{tenths % 10} %"


def module_name(path: str) -> str:
    """The module in a file of the package, without the package's own name."""
    parts = PurePosixPath(path).with_suffix("").parts
    inside = parts[parts.index("sapwood") + 1 :]
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside) or "sapwood"


def read_report(report: Path) -> dict[str, Measured]:
    """What was measured of each module.

    Args:
        report: written by `coverage json` with branches measured.
    """
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {module_name(path): Measured.of(file["summary"]) for path, file in files.items()}


def total(measured: Iterable[Measured]) -> Measured:
    """All of it together."""
    return sum(measured, Measured())


def room_row(room: str, modules: Mapping[str, Measured]) -> str:
    """The line of a room in the table, with the modules of which the most is missed."""
    inside = {name: one for name, one in modules.items() if name.partition(".")[0] == room}
    whole = total(inside.values())
    most = sorted(inside, key=lambda name: (-inside[name].missed, name))[:NAMED]
    named = ", ".join(f"`{name}` {inside[name].missed}" for name in most if inside[name].missed)
    figures = (whole.lines, whole.missed_lines, whole.branches, whole.missed_branches)
    return f"| `{room}` | {' | '.join(map(str, figures))} | {whole.percent} | {named} |"


def coverage_section(modules: Mapping[str, Measured]) -> str:
    """The figure and the table."""
    whole = total(modules.values())
    rooms = sorted({name.partition(".")[0] for name in modules})
    lines = [
        f"**{whole.percent}** of lines and branches.",
        f"Of {whole.lines} lines {whole.missed_lines} were never run, of {whole.branches} branches",
        f"{whole.missed_branches} never taken.",
        "",
        "| room | lines | not run | branches | not taken | covered | most of it |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(room_row(room, modules) for room in rooms),
    ]
    return "\n".join(lines) + "\n"


def main(report: Path, page: Path) -> None:
    """Replaces what stands between the marks.

    Raises:
        SystemExit: the page does not have both marks, in their order, once.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        sys.exit(f"{page}: expected the lines {BEGIN.strip()} and {END.strip()} once each")
    section = coverage_section(read_report(report))
    page.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
