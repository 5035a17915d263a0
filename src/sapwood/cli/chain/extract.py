"""`sapwood chain extract`: takes a patch out of a chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.chain.options import add_chain, link_number
from sapwood.cli.reports import human_size, tell

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Writes a patch of a chain as a file, which is the one that was put in, signatures included. The
chain stays as it is."""

EXAMPLES = (
    "sapwood chain extract --chain model.ttc --link 0 --out v0-v1.ttp",
    "sapwood chain extract --chain model.ttc --link -1 --back --out rollback.ttp",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "extract", _run, "take a patch out of a chain", DESCRIPTION, EXAMPLES
    )
    add_chain(parser)
    parser.add_argument(
        "--link",
        required=True,
        type=link_number,
        metavar="N",
        help="which: N leads from version N to the next; -1 is the last",
    )
    parser.add_argument(
        "--back", action="store_true", help="the patch that leads back over the link"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the patch goes; - for stdout"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, output

    out = output(arguments.out, arguments.chain)
    (chain,) = named_inputs(arguments.chain)
    link = models.extract_patch(chain, arguments.link, out, reverse=arguments.back)
    facts = {
        "command": "chain extract",
        "chain": arguments.chain,
        "out": arguments.out,
        **link.to_json(),
    }
    tell(arguments, facts, f"{arguments.out}: {human_size(link.size)}, {link.label}")
    return 0
