"""The options of commands that receive patches: whom to trust, and what it may cost."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sapwood.cli.arguments import whole_number
from sapwood.errors import InputError

if TYPE_CHECKING:
    from sapwood.cli.arguments import Parser
    from sapwood.models import Receiving
    from sapwood.trust import Trust

MOST_COUNTER = 10**18 - 1  # as many digits as options take


def add_trust(parser: Parser, *, detached: bool = True) -> None:
    """The options that say which signatures a patch must have.

    Args:
        parser: the command's parser.
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


@contextlib.contextmanager
def receiving(arguments: argparse.Namespace, what: str) -> Iterator[Receiving]:
    """How the options say that patches are received, with a bar while the block lasts.

    Args:
        arguments: options of the command.
        what: name of the work, for the bar: "applying".

    Raises:
        InputError: options without a key, or a file that is none.
        IoError: a file cannot be read.
    """
    from sapwood.cli.progress import receiving_bars
    from sapwood.models import Receiving

    trust = _trusted(arguments)
    with receiving_bars(arguments, what) as (download, progress):
        yield Receiving(
            trust=trust,
            memory=getattr(arguments, "memory", None),
            threads=arguments.threads,
            progress=progress,
            download=download,
        )


def _trusted(arguments: argparse.Namespace) -> Trust | None:
    """Whom the options say to trust; None where they name no key.

    Raises:
        InputError: options without a key, or a file that is none.
        IoError: a file cannot be read.
    """
    names: list[str] = getattr(arguments, "public_key", [])
    if names:
        from sapwood.trust import Trust

        return Trust(read_public_keys(names), arguments.minimum_counter, arguments.threshold)
    if (
        getattr(arguments, "signature", None)
        or getattr(arguments, "minimum_counter", 0)
        or getattr(arguments, "threshold", 1) != 1
    ):
        raise InputError(
            "--signature, --minimum-counter and --threshold say nothing without a key; "
            "add --public-key FILE"
        )
    return None


def read_public_keys(names: Sequence[str]) -> list[bytes]:
    """The keys of files.

    Raises:
        InputError: a file that is none.
        IoError: a file cannot be read.
    """
    from pathlib import Path

    from sapwood.trust import ED25519, read_key

    return [read_key(Path(name), ED25519.public_size, "a public key") for name in names]
