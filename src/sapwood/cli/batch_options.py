"""The options of commands that can work on many files at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.arguments import whole_number

if TYPE_CHECKING:
    from sapwood.cli.arguments import Parser


def add_batch(parser: Parser, command: str) -> None:
    """The options that take folders for files: of create, apply or verify."""
    parser.set_defaults(batch=command)
    batch = parser.add_argument_group(
        "many files",
        "With --keep-going the command takes folders, and does for each file in them what it does\n"
        "for one. Files belong together by their paths; the patch of PATH is PATH.ttp.",
    )
    batch.add_argument(
        "--keep-going",
        action="store_true",
        help="work on folders; go on after a file that fails, and end with a summary and "
        "the exit code 9",
    )
    batch.add_argument(
        "--jobs",
        type=whole_number(1, 1 << 16),
        metavar="N",
        help="files at once, which share the threads (default: as many as threads)",
    )
