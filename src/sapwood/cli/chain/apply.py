"""`sapwood chain apply`: makes a version from another one."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_bases, add_command, add_threads
from sapwood.cli.chain.naming import version_name
from sapwood.cli.reports import count, human_size, note, tell
from sapwood.cli.trusting import add_trust, trust_options

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
        commands, "apply", run, "make a version from another one", DESCRIPTION, EXAMPLES
    )
    add_bases(
        parser,
        "a version of the chain, or a folder to look for one in; - for stdin. Of several the "
        "nearest is taken",
    )
    parser.add_argument("--chain", required=True, metavar="FILE", help="the chain; - for stdin")
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


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.chain.listing import link_facts, version_facts
    from sapwood.cli.progress import progress_bar
    from sapwood.cli.streams import output, read_patch_and_bases

    started = time.monotonic()
    out = output(arguments.out, arguments.chain, *arguments.public_key)
    trust = trust_options(arguments)
    trust.pop("signature", None)
    with progress_bar(arguments, "applying") as progress:
        chain, bases = read_patch_and_bases(arguments.chain, arguments.base)
        unfinished = models.chain_info(chain.data).unfinished
        found = models.apply_chain(
            bases,
            chain.data,
            out,
            to=arguments.to,
            threads=arguments.threads,
            progress=progress,
            **trust,
        )
    notes = [f"it ends in {unfinished} bytes of a link that is not whole"] if unfinished else []
    for one in notes:
        note(arguments, f"{arguments.chain}: {one}")
    facts = {
        "command": "chain apply",
        "base": arguments.base[0],
        "bases": arguments.base,
        "chain": arguments.chain,
        "out": arguments.out,
        "source": version_facts(found.source),
        "target": version_facts(found.target),
        "links": [link_facts(one) for one in found.links],
        "signature_valid": found.signature_valid,
        "counter": found.counter,
        "seconds": time.monotonic() - started,
        "notes": notes,
    }
    tell(arguments, facts, summary(arguments.out, found))
    return 0


def summary(name: str, found: ChainApplication) -> str:
    """The result in a line."""
    signed = "" if found.counter is None else f", signed with counter {found.counter}"
    way = count(len(found.links), "link")
    return f"{name}: {human_size(found.target.size)}, over {way}, checked{signed}"
