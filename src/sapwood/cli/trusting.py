"""The options of commands that check signatures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sapwood.cli.arguments import whole_number
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Parser

MOST_COUNTER = 10**18 - 1  # as many digits as options take


def add_trust(parser: Parser, *, detached: bool = True) -> None:
    """The options that say which signatures a patch must have.

    Args:
        parser: of the command.
        detached: whether there may be files of signatures beside the patch.
    """
    trust = parser.add_argument_group(
        "signatures", "Without --public-key none is checked, and the patch may be anybody's."
    )
    trust.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="FILE",
        help="a key that is trusted, 32 bytes; the patch must be signed by one (may be repeated)",
    )
    if detached:
        trust.add_argument(
            "--signature",
            action="append",
            default=[],
            metavar="FILE",
            help="signatures that came beside the patch (may be repeated)",
        )
    else:
        parser.set_defaults(signature=[])
    trust.add_argument(
        "--minimum-counter",
        type=whole_number(0, MOST_COUNTER),
        default=0,
        metavar="N",
        help="pass over signatures with a lower counter: those of old patches (default: 0)",
    )
    trust.add_argument(
        "--threshold",
        type=whole_number(1, 64),
        default=1,
        metavar="N",
        help="how many of the keys must have signed (default: 1)",
    )


def trust_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `models.apply_patch` and `models.verify_patch` take for these options.

    Raises:
        InputError: options without a key, or a file that is none.
        IoError: a file cannot be read.
    """
    if not arguments.public_key:
        if arguments.signature or arguments.minimum_counter or arguments.threshold != 1:
            raise InputError(
                "--signature, --minimum-counter and --threshold say nothing without a key; "
                "add --public-key FILE"
            )
        return {"public_key": None}
    return {
        "public_key": read_public_keys(arguments.public_key),
        "signature": read_signatures(arguments.signature),
        "minimum_counter": arguments.minimum_counter,
        "threshold": arguments.threshold,
    }


def read_public_keys(names: Sequence[str]) -> list[bytes]:
    """The keys of files.

    Raises:
        InputError: a file that is none.
        IoError: a file cannot be read.
    """
    from pathlib import Path

    from sapwood.trust import ED25519, read_key

    return [read_key(Path(name), ED25519.public_size, "a public key") for name in names]


def read_signatures(names: Sequence[str]) -> list[bytes]:
    """The contents of files of signatures, read once: they may be pipes. None is parsed.

    Raises:
        IoError: a file cannot be read.
    """
    from sapwood.files.sources import read_source
    from sapwood.patch.signatures import LARGEST_FILE

    # One that is longer than any can be is refused when it is parsed.
    return [read_source(name)[: LARGEST_FILE + 1].tobytes() for name in names]
