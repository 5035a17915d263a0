"""`sapwood chain info`: shows a chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import count, human_size, percentage, printable, tell_json
from sapwood.cli.tables import show_rows

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands
    from sapwood.models import Chain

DESCRIPTION = """\
Shows the versions that a chain leads through, and how large the patches are. The patches' bodies
are not read: 'chain apply' and 'chain extract' check them."""

EXAMPLES = (
    "sapwood chain info model.ttc",
    "sapwood chain info model.ttc --json | jq -r '.versions[-1].sha256'",
)
COLUMNS = ("version", "size", "SHA-256", "patch to it", "patch back")
ON_THE_RIGHT = frozenset({"version", "size", "patch to it", "patch back"})


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "info", _run, "show a chain", DESCRIPTION, EXAMPLES)
    parser.add_argument("chain", metavar="CHAIN", help="the chain; - for stdin")


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli.streams import named_inputs

    (source,) = named_inputs(arguments.chain)
    chain = models.chain_info(source)
    if arguments.json:
        tell_json(arguments, {"command": "chain info", **chain.to_json()})
    elif not arguments.quiet:
        _show(arguments.chain, chain)
    return 0


def _show(name: str, chain: Chain) -> None:
    """Prints a chain, a row for each version.

    Args:
        name: name of the file, as the user gave it.
        chain: the chain.
    """
    newest = chain.versions[-1].size
    print(
        f"{printable(name)}: {human_size(chain.size)}, {count(len(chain.forward), 'link')}; "
        f"{percentage(chain.size, newest)} of the newest version"
    )
    print()
    forward = chain.forward
    back = {one.number: one for one in chain.links if one.reverse}
    rows = []
    for i, version in enumerate(chain.versions):
        to = human_size(forward[i - 1].size) if i else ""
        fro = human_size(back[i].size) if i in back else ""
        rows.append((str(i), human_size(version.size), version.sha256.hex(), to, fro))
    show_rows(COLUMNS, ON_THE_RIGHT, rows)
    if chain.unfinished:
        print(f"and {human_size(chain.unfinished)} of a link that was not written to its end")
