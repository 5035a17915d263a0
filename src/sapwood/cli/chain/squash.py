"""`sapwood chain squash`: makes one patch of many."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_bases, add_command, add_level, add_threads
from sapwood.cli.chain.options import add_chain, version_name
from sapwood.cli.reports import human_size, percentage, tell
from sapwood.cli.trusting import receiving

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Makes the one patch that leads from a version of a chain to another, the same that 'create' makes
between the two. It takes a file of the chain, from which both are made: what weights a patch
copies or codes against its base is not in the patch. The chain stays as it is."""

EXAMPLES = (
    "sapwood chain squash --base v0.safetensors --chain model.ttc --out v0-newest.ttp",
    "sapwood chain squash --base v2.bin --chain model.ttc --first 2 --last 5 --out v2-v5.ttp",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "squash", _run, "make one patch of many", DESCRIPTION, EXAMPLES)
    add_bases(parser, "a version from which the first can be made, or a folder to look for it in")
    add_chain(parser)
    for name, default, what in (("--first", 0, "from"), ("--last", -1, "to")):
        parser.add_argument(
            name,
            type=version_name,
            default=default,
            metavar="VERSION",
            help=f"the version to lead {what}: a number or SHA-256 (default: {default})",
        )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the patch goes; - for stdout"
    )
    parser.add_argument(
        "--reverse", metavar="FILE", help="make the patch that leads back too, and put it here"
    )
    add_level(parser)
    add_threads(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, output

    started = time.monotonic()
    kept = [arguments.chain, *arguments.base]
    out = output(arguments.out, *kept)
    back = None if arguments.reverse is None else output(arguments.reverse, *kept)
    chain, *bases = named_inputs(arguments.chain, *arguments.base)
    with receiving(arguments, "squashing") as how:
        stats = models.squash_chain(
            bases,
            chain,
            out,
            first=arguments.first,
            last=arguments.last,
            compression_level=arguments.level,
            reverse=back,
            receiving=how,
        )
    facts = {
        "command": "chain squash",
        "bases": arguments.base,
        "chain": arguments.chain,
        "out": arguments.out,
        "reverse": arguments.reverse,
        **stats.to_json(),
        "seconds": time.monotonic() - started,
    }
    tell(
        arguments,
        facts,
        f"{arguments.out}: {human_size(stats.patch_size)}, "
        f"{percentage(stats.patch_size, stats.target_size)} of the version it leads to",
    )
    return 0
