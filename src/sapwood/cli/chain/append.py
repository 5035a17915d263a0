"""`sapwood chain append`: puts a patch at the end of a chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import STDIO, add_command
from sapwood.cli.reports import count, human_size, note, tell
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Puts a patch at the end of a chain, which must lead on from the chain's newest version. Whenever
this is stopped, the chain is the old one or the new one."""

EXAMPLES = (
    "sapwood chain append --chain model.ttc --patch v3-v4.ttp",
    "sapwood chain append --chain model.ttc --patch v3-v4.ttp --reverse v4-v3.ttp",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "append", _run, "put a patch at the end of a chain", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("--chain", required=True, metavar="FILE", help="the chain")
    parser.add_argument(
        "--patch", dest="addition", required=True, metavar="FILE", help="the patch; - for stdin"
    )
    parser.add_argument("--reverse", metavar="FILE", help="the patch that leads back over it")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs

    if arguments.chain == STDIO:
        raise InputError("--chain -: only a file can be appended to; name one")
    names = [one for one in (arguments.addition, arguments.reverse) if one is not None]
    patch, *back = named_inputs(*names)
    unfinished = models.chain_info(arguments.chain).unfinished
    chain = models.append_to_chain(arguments.chain, patch, reverse=back[0] if back else None)
    notes = [f"{unfinished} bytes of an unfinished link were replaced"] if unfinished else []
    for one in notes:
        note(arguments, f"{arguments.chain}: {one}")
    facts = {
        "command": "chain append",
        "patch": arguments.addition,
        "reverse": arguments.reverse,
        "chain": arguments.chain,
        "notes": notes,
        **chain.to_json(),
    }
    tell(
        arguments,
        facts,
        f"{arguments.chain}: {human_size(chain.size)}, {count(len(chain.forward), 'link')}",
    )
    return 0
