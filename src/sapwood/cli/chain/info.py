"""`sapwood chain info`: shows a chain."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell_json

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Shows the versions that a chain leads through, and how large the patches are. The patches' bodies
are not read: 'chain apply' and 'chain extract' check them."""

EXAMPLES = (
    "sapwood chain info model.ttc",
    "sapwood chain info model.ttc --json | jq -r '.versions[-1].sha256'",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "info", _run, "show a chain", DESCRIPTION, EXAMPLES)
    parser.add_argument("chain", metavar="CHAIN", help="the chain; - for stdin")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.chain.listing import show_chain
    from sapwood.cli.streams import read_inputs

    (data,) = read_inputs(arguments.chain)
    chain = models.chain_info(data.data)
    if arguments.json:
        tell_json(arguments, {"command": "chain info", **chain.to_json()})
    elif not arguments.quiet:
        show_chain(arguments.chain, chain, terminal=sys.stdout.isatty())
    return 0
