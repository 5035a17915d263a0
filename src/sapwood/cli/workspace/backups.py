"""`sapwood workspace backups`: lists what was replaced or removed, and puts it back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command, examples_text
from sapwood.cli.reports import printable, tell, tell_json
from sapwood.cli.tables import show_rows
from sapwood.cli.workspace.options import CONFLICTS, add_folder, opened, sign
from sapwood.cli.workspace.plans import backed_up, missed_line

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program

LIST = "Lists the backups of a workspace, the oldest first."
RESTORE = f"""\
Puts the files of a backup back, or those that are named. What they replace is backed up first.

exit code {CONFLICTS}: a file was left alone, because something wrote to it meanwhile."""

LIST_EXAMPLES = ("backups list --folder ~/course",)
RESTORE_EXAMPLES = (
    "backups restore update_20250115_103000",
    "backups restore update_20250115_103000 --file tests/test_a.py",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the commands."""
    shown, put_back = (program.examples(*one) for one in (LIST_EXAMPLES, RESTORE_EXAMPLES))
    below = commands.add_parser(
        "backups",
        help="list backups, and put files back",
        description="What updates replaced or removed.",
        epilog=examples_text([shown[0], put_back[0]]),
    ).commands()
    listing = add_command(below, "list", _run_list, "list backups", LIST, shown)
    add_folder(listing, program)
    restoring = add_command(below, "restore", _run_restore, "put files back", RESTORE, put_back)
    restoring.add_argument("backup", metavar="BACKUP", help="its name, as 'list' shows it")
    restoring.add_argument(
        "--file",
        action="append",
        metavar="FILE",
        help="to put back, once for each (default: all files of the backup)",
    )
    add_folder(restoring, program)


def _run_list(arguments: argparse.Namespace) -> int:
    """Runs `list`."""
    backups = opened(arguments).backups()
    if arguments.json:
        listed = [
            {"name": one.name, **one.to_json(), "files": sorted(one.files)} for one in backups
        ]
        tell_json(arguments, {"command": "workspace backups list", "backups": listed})
    elif not arguments.quiet and backups:
        rows = [[one.name, one.version or "", str(len(one.files))] for one in backups]
        columns = ("backup", "of version", "files")
        show_rows(columns, {"files"}, rows)
    elif not arguments.quiet:
        print("no backups")
    return 0


def _run_restore(arguments: argparse.Namespace) -> int:
    """Runs `restore`."""
    workspace = opened(arguments)
    done = workspace.restore(arguments.backup, arguments.file)
    facts = {"command": "workspace backups restore", **done.to_json()}
    lines = [f"{sign('✅')}Restored {printable(path)}" for path in done.written]
    lines += [missed_line(printable(path)) for path in done.missed]
    if done.backup is not None:
        lines.append(f"{sign('📦')}{backed_up(done.backup, workspace.name)}")
    tell(arguments, facts, "\n".join(lines or ["Nothing to restore: all is as in the backup"]))
    return CONFLICTS if done.missed else 0
