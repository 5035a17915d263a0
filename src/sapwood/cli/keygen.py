"""`sapwood keygen`: makes a pair of keys for signing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import add_command
from sapwood.cli.reports import tell

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

DESCRIPTION = """\
Makes a pair of Ed25519 keys: NAME.key signs, and only its owner can read it; NAME.pub goes to
those who check. Neither file may be there yet."""

EXAMPLES = (
    "sapwood keygen --out release",
    "sapwood keygen --out keys/2027 --json | jq -r .key_id",
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "keygen", _run, "make keys for signing", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--out", required=True, metavar="NAME", help="name of both files, without .key and .pub"
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from pathlib import Path

    from sapwood import trust
    from sapwood.files import path_name

    name = path_name(arguments.out)
    private, public = Path(f"{name}.key"), Path(f"{name}.pub")
    public_key, private_key = trust.generate_keypair()
    keys = trust.write_keypair(private, private_key, public, public_key)
    text = (
        f"{private}: keep it secret\n{public}: give it to those who check\nkey {keys.key_id.hex()}"
    )
    tell(arguments, {"command": "keygen", **keys.to_json()}, text)
    return 0
