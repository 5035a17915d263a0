"""`sapwood workspace module export`: makes Python modules of the marked cells of notebooks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, printable, tell
from sapwood.cli.workspace.options import (
    CONFLICTS,
    UPDATES,
    add_folder,
    add_template,
    opened,
    sign,
)
from sapwood.cli.workspace.plans import backed_up, missed_line
from sapwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Exported, ExportStatus

COMMAND = "workspace module export"

DESCRIPTION = f"""\
Makes Python modules of notebooks: their code cells whose first line is '#| export', in their
order. The template says which notebook becomes which module; modules are yours. All that are
asked for are made, or none. One that you edited by hand stays, unless you say --replace.

exit codes:
  0    done; of --check: all are as their notebooks
  {UPDATES}   of --check: there is something to export
  {CONFLICTS}   what you edited by hand, or have made yourself, is in the way"""

EXAMPLES = (
    "module export TEMPLATE 05",
    "module export TEMPLATE --all",
    "module export TEMPLATE --all --check",
)
WORDS: Mapping[str, str] = {
    "fresh": "as the notebook",
    "edited": "you edited it by hand; --replace backs it up and replaces it",
    "foreign": "it was not exported; --replace backs it up and replaces it",
    "gone": "the notebook is not there",
}


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    summary = "make Python modules of notebooks"
    parser = add_command(commands, "export", _run, summary, DESCRIPTION, examples)
    add_template(parser, program)
    parser.add_argument("modules", metavar="NN", nargs="*", help="numbers or names of modules")
    add_folder(parser, program)
    parser.add_argument("--all", action="store_true", help="export all notebooks")
    parser.add_argument("--check", action="store_true", help="say what would be exported")
    parser.add_argument(
        "--replace", action="store_true", help="back up and replace what you edited by hand"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if bool(arguments.modules) == arguments.all:
        raise InputError("expected modules or --all, one of them, as in 'module export 05'")
    workspace = opened(arguments)
    modules = None if arguments.all else arguments.modules
    if arguments.check:
        exports = workspace.exports(arguments.template, modules)
        facts = {
            "command": COMMAND,
            "exports": [one.to_json() for one in exports],
            "applied": False,
        }
        tell(arguments, facts, "\n".join(map(_check_line, exports)) or "Nothing to export")
        return _check_code(exports)
    done = workspace.export(arguments.template, modules, replace=arguments.replace)
    facts = {"command": COMMAND, **done.to_json(), "applied": True}
    tell(arguments, facts, "\n".join(_done_lines(done, workspace.name)))
    return CONFLICTS if done.kept or done.missed else 0


def _check_line(one: ExportStatus) -> str:
    """What `--check` says of an export."""
    found = one.state.value
    if one.reason is not None:
        found += f": {one.reason}"
    return f"{printable(one.export.to)}: {printable(found)}"


def _check_code(exports: Iterable[ExportStatus]) -> int:
    """What a script is told by `--check`."""
    states = {one.state.value for one in exports}
    if states & {"edited", "foreign", "blocked", "broken"}:
        return CONFLICTS
    return UPDATES if states & {"never exported", "stale"} else 0


def _done_lines(done: Exported, name: str) -> list[str]:
    """What was done, for people.

    Args:
        done: what was exported, and what was not.
        name: name of the workspace's template.
    """
    sources = {one.export.to: one.export.notebook for one in done.exports}
    lines = []
    for path in done.written:
        source = f" from {printable(sources[path])}" if path in sources else ""
        lines.append(f"{sign('✅')}Exported {printable(path)}{source}")
    for one in done.exports:
        path, state = one.export.to, one.state.value
        if path in done.kept or state == "gone":
            lines.append(f"{sign('⏭️ ')}Skipped {printable(path)}: {WORDS[state]}")
    lines += [missed_line(printable(path)) for path in done.missed]
    if done.backup is not None:
        lines.append(f"{sign('📦')}{backed_up(done.backup, name)}")
    fresh = sum(one.state.value == "fresh" for one in done.exports)
    if not lines:
        lines.append(f"Nothing to export: {count(fresh, 'module')} up to date")
    return lines
