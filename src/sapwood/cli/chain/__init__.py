"""`sapwood chain`: chains of patches, one file a subcommand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sapwood.cli.chain import append, apply, create, extract, info, squash

if TYPE_CHECKING:
    from sapwood.cli.arguments import Commands

SUBCOMMANDS = (create, append, info, extract, squash, apply)

DESCRIPTION = """\
A chain is one file of patches, each from the version that the one before leads to, with patches
that lead back beside them if you like. Whoever has any of its versions makes any other with it."""

EXAMPLES = """\
examples:
  sapwood chain create --patch v1-v2.ttp v2-v3.ttp --out model.ttc
  sapwood chain append --chain model.ttc --patch v3-v4.ttp
  sapwood chain apply --base v2.safetensors --chain model.ttc --out v4.safetensors

'sapwood chain COMMAND --help' shows the options of a command, and examples."""


def add_to(commands: Commands) -> None:
    """Adds the command and those below it."""
    below = commands.add_parser(
        "chain",
        help="many patches in one file: make any version from any other",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    ).commands()
    for command in SUBCOMMANDS:
        command.add_to(below)
