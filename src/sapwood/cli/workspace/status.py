"""`sapwood workspace status`: tells which of the installed files the user changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, TypeAlias

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, printable, tell_json
from sapwood.cli.tables import shortened, show_rows
from sapwood.cli.workspace.courses import in_brackets
from sapwood.cli.workspace.options import add_folder, opened

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import FileStatus, LineChanges, Status, Workspace

    ChangedLines: TypeAlias = dict[FileStatus, LineChanges | None]
    """Files that the user changed, with their lines where those can be counted."""

DESCRIPTION = """\
Tells which version a workspace has, and which of its files you modified or deleted. Notebooks
that were only run, and line ends, are no modifications."""

EXAMPLES = (
    "status --folder ~/course",
    "status --json | jq '.files[] | select(.state == \"modified\").path'",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES)
    parser = add_command(commands, "status", _run, "tell what was modified", DESCRIPTION, examples)
    add_folder(parser, program)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    workspace = opened(arguments)
    status = workspace.status()
    changed = {
        one: None if one.reason else workspace.line_changes(one.path, status.record)
        for one in status.files
        if one.state.value != "identical"
    }
    if arguments.json:
        tell_json(arguments, _status_facts(workspace, status, changed))
    elif not arguments.quiet:
        _show(workspace, status, changed)
    return 0


def _status_facts(workspace: Workspace, status: Status, changed: ChangedLines) -> dict[str, Any]:
    """The status of a workspace, for programs."""
    unknown = {"lines_added": None, "lines_removed": None}
    files = [
        {**one.to_json(), **(unknown if lines is None else lines.to_json())}
        for one, lines in changed.items()
    ]
    return {
        "command": "workspace status",
        "folder": str(workspace.root),
        **status.to_json(),
        "files": files,
    }


def _show(workspace: Workspace, status: Status, changed: ChangedLines) -> None:
    """Prints the status of a workspace, for people."""
    record = status.record
    print(
        f"{printable(str(workspace.root))}: {record.template} {record.template_version}"
        f"{in_brackets(record.course)}, "
        f"{count(len(status.files), 'file')}, {len(changed)} changed by you"
    )
    if status.unfinished:
        print("a change was interrupted: the next update finishes it")
    if changed:
        rows = []
        for one, lines in changed.items():
            shown = "" if lines is None else f"+{lines.added} -{lines.removed}"
            word = one.state.value if one.reason is None else one.reason
            rows.append([shortened(printable(one.path)), word, one.version, shown])
        columns = ("file", "state", "from", "lines")
        show_rows(columns, {"lines"}, rows)
