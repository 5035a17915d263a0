"""The summary of a batch: a row for each file, failures in full, and the sum."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sapwood.cli.failures import listed
from sapwood.cli.reports import human_size, percentage, printable
from sapwood.cli.tables import shortened, show_rows

COLUMNS = {
    "create": ("file", "size", "patch", "of the size", "seconds", "result"),
    "apply": ("file", "size", "seconds", "result"),
    "verify": ("file", "seconds", "result"),
}
ON_THE_RIGHT = frozenset({"size", "patch", "of the size", "seconds"})
DONE = {"create": "made", "apply": "restored", "verify": "fine"}


def show(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> None:
    """Prints the table and the sum, and then each failure as its command would.

    Args:
        arguments: options of the command. With --quiet only failures are printed.
        facts: what the batch tells with --json.
    """
    files: Sequence[Mapping[str, Any]] = facts["files"]
    command = facts["command"]
    if not arguments.quiet:
        rows = [_row_of(command, one) for one in files]
        rows += [_skipped_row(command, one) for one in facts["skipped"]]
        show_rows(COLUMNS[command], ON_THE_RIGHT, rows)
        print(_total(facts))
        sys.stdout.flush()
    for one in files:
        if "error" in one:
            print(f"sapwood: error: {one['error']['message']}", file=sys.stderr)


def _row_of(command: str, file: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of a file, by `COLUMNS`."""
    cells = {
        "file": shortened(printable(file["file"])),
        "result": f"failed: {file['error']['kind']}" if "error" in file else DONE[command],
    }
    if "target_size" in file:
        cells["size"] = human_size(file["target_size"])
    if "patch_size" in file:
        cells["patch"] = human_size(file["patch_size"])
        cells["of the size"] = percentage(file["patch_size"], file["target_size"])
    if "seconds" in file:
        cells["seconds"] = f"{file['seconds']:.2f}"
    return tuple(cells.get(column, "") for column in COLUMNS[command])


def _skipped_row(command: str, file: Mapping[str, str]) -> tuple[str, ...]:
    """The cells of a file that nothing was done with."""
    name, reason = shortened(printable(file["file"])), f"skipped: {file['reason']}"
    return (name, *[""] * (len(COLUMNS[command]) - 2), reason)


def _total(facts: Mapping[str, Any]) -> str:
    """All of it in a line."""
    command, done = facts["command"], [one for one in facts["files"] if "error" not in one]
    parts = [f"{len(done)} {DONE[command]}"]
    if facts["failed"]:
        parts.append(f"{facts['failed']} failed")
    if facts["skipped"]:
        parts.append(f"{len(facts['skipped'])} skipped")
    sizes = [one["target_size"] for one in done if "target_size" in one]
    what = ""
    if command == "create":
        patches = sum(one["patch_size"] for one in done)
        what = f": {human_size(patches)} of patches for {human_size(sum(sizes))}"
    elif sizes:
        what = f": {human_size(sum(sizes))}"
    return f"{', '.join(parts)}{what}, in {facts['seconds']:.1f} s"


def notes(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the commands noted, each once, behind the files that it is of."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for one in files:
        for text in one.get("notes", []):
            names[text].append(one["file"])
    for text, files_of in names.items():
        yield text if len(files_of) == len(files) else f"{listed(files_of)}: {text}"
