"""`sapwood chain create`: puts patches into a chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, human_size, tell

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Puts patches into a chain, in the order in which they are given: each must be made from what the
one before leads to. Reverse patches, of 'create --reverse', find their places by themselves."""

EXAMPLES = (
    "sapwood chain create --patch v1-v2.ttp v2-v3.ttp --out model.ttc",
    "sapwood chain create --patch v1-v2.ttp --reverse v2-v1.ttp --out model.ttc",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "create", _run, "put patches into a chain", DESCRIPTION, EXAMPLES
    )
    parser.add_argument(
        "--patch",
        dest="patches",
        required=True,
        action="extend",
        nargs="+",
        metavar="FILE",
        help="the patches, in their order; - for stdin",
    )
    parser.add_argument(
        "--reverse",
        action="extend",
        nargs="+",
        default=[],
        metavar="FILE",
        help="patches that lead back over some of them, in any order",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the chain goes; - for stdout"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, output

    names = [*arguments.patches, *arguments.reverse]
    out = output(arguments.out, *names)
    given, number = named_inputs(*names), len(arguments.patches)
    chain = models.create_chain(given[:number], out, reverse=given[number:])
    facts = {
        "command": "chain create",
        "patches": arguments.patches,
        "reverse": arguments.reverse,
        "out": arguments.out,
        **chain.to_json(),
    }
    tell(
        arguments,
        facts,
        f"{arguments.out}: {human_size(chain.size)}, {count(len(chain.forward), 'link')}",
    )
    return 0
