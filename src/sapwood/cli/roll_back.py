"""`sapwood roll-back`: has the base again after an update in place."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command, add_threads
from sapwood.cli.reports import human_size, tell
from sapwood.cli.trusting import receiving

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Makes a file the base again that 'sapwood apply --in-place' did not finish, or finished with
--keep-undo. It needs the journal beside the file, and no patch. It may be killed and run again."""

EXAMPLES = (
    "sapwood roll-back model.safetensors",
    "sapwood roll-back model.safetensors --json",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "roll-back", _run, "undo an update in place", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("base", metavar="FILE", help="the file that was being updated")
    add_threads(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models

    started = time.monotonic()
    with receiving(arguments, "rolling back") as how:
        found = models.in_place.roll_back(arguments.base, receiving=how)
    facts = {
        "command": "roll-back",
        "base": arguments.base,
        **found.to_json(),
        "seconds": time.monotonic() - started,
    }
    tell(arguments, facts, f"{arguments.base}: {human_size(found.base_size)}, the base again")
    return 0
