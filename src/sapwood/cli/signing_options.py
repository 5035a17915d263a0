"""The options of commands that sign."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sapwood.cli.arguments import whole_number
from sapwood.cli.trusting import MOST_COUNTER
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Group, Parser


def add_signing(parser: Parser | Group, *, required: bool = False) -> None:
    """The options that say with which key, and with which counter."""
    parser.add_argument(
        "--private-key",
        required=required,
        metavar="FILE",
        help="the key to sign with, 64 bytes, from 'sapwood keygen'",
    )
    parser.add_argument(
        "--counter",
        type=whole_number(0, MOST_COUNTER),
        default=0,
        metavar="N",
        help="the signature's counter: higher than that of the patch before, so that receivers "
        "can refuse old ones (default: 0)",
    )


def signing_key(arguments: argparse.Namespace) -> bytes | None:
    """The private key that the options name, or None.

    Raises:
        InputError: it has another size, or there is a counter without a key.
        IoError: it cannot be read.
    """
    if arguments.private_key is None:
        if arguments.counter:
            raise InputError("--counter is of a signature; add --private-key FILE")
        return None
    return read_private_key(arguments.private_key)


def read_private_key(name: str) -> bytes:
    """The key of a file.

    Raises:
        InputError: it has another size.
        IoError: it cannot be read.
    """
    from pathlib import Path

    from sapwood.trust import ED25519, read_key

    return read_key(Path(name), ED25519.private_size, "a private key")


def exposed(name: str) -> str | None:
    """A warning, where others can read the private key."""
    import stat
    from pathlib import Path

    from sapwood.files import os_errors

    with os_errors(name):
        mode = stat.S_IMODE(Path(name).stat().st_mode)
    return f"{name}: others can read it; run chmod 600 {name}" if mode & 0o077 else None
