"""`sapwood inspect`: shows what a patch says of itself."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell_json

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Shows the header of a patch and what became of each tensor, the largest in the patch first. The
payloads are not read: 'sapwood verify' checks them."""

EXAMPLES = (
    "sapwood inspect v1-v2.ttp",
    "sapwood inspect v1-v2.ttp --all | grep attention",
    "sapwood inspect https://example.org/v1-v2.ttp",
    "sapwood inspect v1-v2.ttp --json | jq .metadata",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "inspect", run, "show what a patch holds", DESCRIPTION, EXAMPLES)
    one = parser.add_mutually_exclusive_group(required=True)
    # Without a default of its own, an absent positional leaves what --patch gave.
    one.add_argument(
        "patch",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="PATCH",
        help="the patch, or its URL, of which no more is fetched than is shown; - for stdin",
    )
    one.add_argument("--patch", dest="patch", metavar="FILE", help="the same")
    parser.add_argument(
        "--all", action="store_true", help="show every tensor, not the 20 largest in the patch"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood.cli import patch_listing
    from sapwood.cli.streams import stdin_or
    from sapwood.models.ranges import patch_parts
    from sapwood.patch.applying import open_patch

    patch = patch_parts(stdin_or(arguments.patch))
    front = open_patch(patch).front
    if arguments.json:
        tell_json(arguments, patch_listing.facts(front))
    elif not arguments.quiet:
        most = None if arguments.all else patch_listing.MOST_ROWS
        patch_listing.show(front, most, terminal=sys.stdout.isatty())
    return 0
