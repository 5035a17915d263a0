"""`sapwood inspect`: shows what a patch says of itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell_json

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Shows the header of a patch, its signatures, and what became of each tensor, the largest in the
patch first. The payloads are not read: 'sapwood verify' checks them. Signatures are checked where
a public key is given; whether they suffice is for 'sapwood verify' and 'apply' to decide."""

EXAMPLES = (
    "sapwood inspect v1-v2.ttp",
    "sapwood inspect v1-v2.ttp --all | grep attention",
    "sapwood inspect https://example.org/v1-v2.ttp",
    "sapwood inspect v1-v2.ttp --public-key release.pub",
    "sapwood inspect v1-v2.ttp --json | jq .metadata",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "inspect", _run, "show what a patch holds", DESCRIPTION, EXAMPLES
    )
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
    parser.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="FILE",
        help="a key to check signatures with, 32 bytes (may be repeated)",
    )
    parser.add_argument(
        "--signature",
        action="append",
        default=[],
        metavar="FILE",
        help="signatures that came beside the patch (may be repeated)",
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from sapwood import models
    from sapwood.cli import patch_listing
    from sapwood.cli.streams import named_inputs
    from sapwood.cli.trusting import read_public_keys
    from sapwood.trust import Trust

    keys = read_public_keys(arguments.public_key)
    (patch,) = named_inputs(arguments.patch)
    found = models.inspect_patch(
        patch,
        signature=arguments.signature or None,
        receiving=models.Receiving(Trust(keys) if keys else None),
    )
    if arguments.json:
        tell_json(arguments, {"command": "inspect", **found.to_json()})
    elif not arguments.quiet:
        most = None if arguments.all else patch_listing.MOST_ROWS
        patch_listing.show(found, most)
    return 0
