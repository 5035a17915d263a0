"""What the commands of chains have in common: options, and how they name links and versions."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sapwood.cli.arguments import Parser


def add_chain(parser: Parser, what: str = "the chain; - for stdin") -> None:
    """The option `--chain`."""
    parser.add_argument("--chain", required=True, metavar="FILE", help=what)


def link_number(text: str) -> int:
    """A number, or a negative one that counts from the end."""
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a number such as 0 or -1, found {text!r}")
    return int(text)


def version_name(text: str) -> int | str:
    """A number, or a negative one that counts from the end, or a SHA-256."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text
    if re.fullmatch(r"-?[0-9]{1,9}", text):
        return int(text)
    raise argparse.ArgumentTypeError(
        f"expected the number of a version, such as 0 or -1, or its SHA-256, found {text!r}"
    )
