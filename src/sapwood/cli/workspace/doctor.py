"""`sapwood workspace doctor`: looks for what is wrong, and says what to do about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, printable, tell_json
from sapwood.cli.tables import show_rows
from sapwood.cli.workspace.options import (
    PROBLEMS,
    TEMPLATE as TEMPLATE_HELP,
    add_folder,
    opened,
    sign,
)
from sapwood.errors import SapwoodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sapwood.cli.arguments import Commands
    from sapwood.cli.workspace.program import Program
    from sapwood.workspace import Finding, Remedy, Workspace

SIGNS = {"ok": "✅", "note": "💡", "problem": "❌"}

DESCRIPTION = f"""\
Looks at the workspace's record and files, at changes that were interrupted, at Python and the
packages that the template needs, at which packages are imported where you work, and at exported
code. Says for each what to do. Writes nothing, and runs none of your code.

exit codes:
  0    nothing is wrong
  {PROBLEMS}   there are problems"""

EXAMPLES = (
    "doctor TEMPLATE",
    "doctor TEMPLATE --folder ~/course --json | jq '.findings[].message'",
)


def add_to(commands: Commands, program: Program) -> None:
    """Adds the command."""
    examples = program.examples(*EXAMPLES, template="course-1.1.0.zip")
    parser = add_command(commands, "doctor", _run, "find what is wrong", DESCRIPTION, examples)
    if program.is_bound:
        parser.set_defaults(template=program.template)
    else:
        about = f"{TEMPLATE_HELP}; without it, only the workspace itself is looked at"
        parser.add_argument("template", metavar="TEMPLATE", nargs="?", help=about)
    add_folder(parser, program)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    workspace = _found_workspace(arguments)
    findings = workspace.examine(arguments.template)
    problems = sum(one.severity.value == "problem" for one in findings)
    if arguments.json:
        listed = [
            {
                **one.to_json(),
                "remedy": None if one.remedy is None else _typed(arguments, one.remedy),
            }
            for one in findings
        ]
        facts = {"folder": str(workspace.root), "problems": problems, "findings": listed}
        tell_json(arguments, {"command": "workspace doctor", **facts})
    elif not arguments.quiet:
        _show(arguments, findings)
        notes = sum(one.severity.value == "note" for one in findings)
        print(f"{count(problems, 'problem')}, {count(notes, 'note')}")
    return PROBLEMS if problems else 0


def _found_workspace(arguments: argparse.Namespace) -> Workspace:
    """The workspace that the options name, of a program whose template is broken too."""
    from sapwood.workspace import Workspace

    try:
        return opened(arguments)
    except SapwoodError:
        if not arguments.program.is_bound:
            raise
        try:
            arguments.program.template_name()
        except SapwoodError:
            # Which is the first finding.
            if arguments.folder is None:
                return Workspace.find(".")
            return Workspace.open(arguments.folder)
        raise


def _typed(arguments: argparse.Namespace, remedy: Remedy) -> str:
    """A remedy, its command as the user can type it."""
    if not remedy.command:
        return remedy.text
    program: Program = arguments.program
    template = [] if program.is_bound else [str(arguments.template or "TEMPLATE")]
    words = remedy.words(template)
    if arguments.folder is not None and remedy.command[0] != "init":
        words += ["--folder", arguments.folder]
    command = program.typed(*words)
    return f"{remedy.text}, then {command}" if remedy.text else command


def _show(arguments: argparse.Namespace, findings: Sequence[Finding]) -> None:
    """Prints findings for people, and below each what to do about it."""
    rows = []
    for one in findings:
        word = one.severity.value
        shown = f"{sign(SIGNS[word])}{word}"
        rows.append([shown, printable(one.subject), printable(one.message)])
        if one.remedy is not None:
            rows.append(["", "", f"-> {printable(_typed(arguments, one.remedy))}"])
    show_rows(("", "what", "found"), set(), rows)
