"""Rows of cells: a table on a terminal, aligned text in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

LONGEST_NAME = 60  # letters
# Words that stand alone in a cell, on a terminal.
COLOURS = {
    "modified": "cyan",
    "deleted": "yellow",
    "note": "yellow",
    "problem": "red",
    "ok": "green",
}


def shortened(name: str) -> str:
    """A name that fits a cell: of a long one, its beginning and its end."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2 - 1]}…{name[-LONGEST_NAME // 2 :]}"


def show_rows(
    columns: Sequence[str],
    on_the_right: Collection[str],
    rows: Sequence[Sequence[str]],
) -> None:
    """Prints rows below the names of their columns.

    Args:
        columns: names of the columns.
        on_the_right: the columns whose cells end at one line, as numbers do.
        rows: printable cells, one for each column.
    """
    if sys.stdout.isatty():
        _show_table(columns, on_the_right, rows)
        return
    table = [columns, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        cells = [
            cell.rjust(width) if column in on_the_right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _show_table(
    columns: Sequence[str], on_the_right: Collection[str], rows: Sequence[Sequence[str]]
) -> None:
    """Prints rows as a table that fits the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*(), box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right = column in on_the_right
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in row))  # no markup
    Console().print(table)
