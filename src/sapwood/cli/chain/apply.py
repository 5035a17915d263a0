"""`sapwood chain apply`: makes a version from another one."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_bases, add_command, add_threads
from sapwood.cli.chain.options import add_chain, version_name
from sapwood.cli.reports import count, human_size, note, signed, tell
from sapwood.cli.trusting import add_trust, receiving

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import ChainApplication

DESCRIPTION = """\
Makes a version of a chain, the newest one if not told otherwise, from any other. Which one there
is is told from its content; from there it goes forward, or back where the chain has reverse
patches. All is checked, and the output takes its name only then: it may be the base itself."""

EXAMPLES = (
    "sapwood chain apply --base v2.safetensors --chain model.ttc --out v5.safetensors",
    "sapwood chain apply --base model.bin --chain model.ttc --to 3 --out model.bin",
    "sapwood chain apply --base ~/models --chain model.ttc --out new.bin --public-key release.pub",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "apply", _run, "make a version from another one", DESCRIPTION, EXAMPLES
    )
    add_bases(
        parser,
        "a version of the chain, or a folder to look for one in; - for stdin. Of several the "
        "nearest is taken",
    )
    add_chain(parser)
    parser.add_argument(
        "--to",
        type=version_name,
        default=-1,
        metavar="VERSION",
        help="the version to make: its number, from 0 or from -1 for the newest, or its SHA-256 "
        "(default: -1)",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="where it goes; - for stdout")
    add_threads(parser)
    add_trust(parser, detached=False)


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs, output

    started = time.monotonic()
    out = output(arguments.out, arguments.chain, *arguments.public_key)
    chain, *bases = named_inputs(arguments.chain, *arguments.base)
    with receiving(arguments, "applying") as how:
        found = models.apply_chain(bases, chain, out, to=arguments.to, receiving=how)
    left = found.unfinished
    notes = [f"it ends in {left} bytes of a link that is not whole"] if left else []
    for one in notes:
        note(arguments, f"{arguments.chain}: {one}")
    facts = {
        "command": "chain apply",
        "base": arguments.base[0],
        "bases": arguments.base,
        "chain": arguments.chain,
        "out": arguments.out,
        **found.to_json(),
        "seconds": time.monotonic() - started,
        "notes": notes,
    }
    tell(arguments, facts, _summary(arguments.out, found))
    return 0


def _summary(name: str, found: ChainApplication) -> str:
    """The result in a line."""
    way = count(len(found.links), "link")
    return f"{name}: {human_size(found.target.size)}, over {way}, checked{signed(found.counter)}"
