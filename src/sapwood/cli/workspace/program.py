"""The programs that commands of workspaces belong to: `sapwood`, and those of authors."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from sapwood.cli.arguments import Parser, PrintVersion
from sapwood.cli.failures import INTERRUPTED, exit_codes
from sapwood.cli.workspace.options import CONFLICTS, PROBLEMS, UPDATES

if TYPE_CHECKING:
    import os

    from sapwood.errors import SapwoodError

FOUND = f"""\
  {UPDATES}   of a workspace: there are updates, differences, or modules to export
  {CONFLICTS}   of a workspace: there are conflicts, or something is in the way
  {PROBLEMS}   of a workspace: doctor found problems"""


class Program(NamedTuple):  # `--help` is too quick for `dataclasses`
    """What the commands of workspaces are bound to.

    Attributes:
        words: words that are typed before the name of a command.
        template: place of the one template that the program is for; None for a program
            whose users name a template.
    """

    words: str = "sapwood workspace"
    template: str | os.PathLike[str] | None = None

    @property
    def is_bound(self) -> bool:
        """Whether the program is for one template."""
        return self.template is not None

    def template_name(self) -> str | None:
        """The name of the program's own template, None of a program without one.

        Raises:
            InputError, InvalidPackage, IoError: it cannot be found or read.
        """
        if self.template is None:
            return None
        from sapwood.workspace import read_manifest

        return read_manifest(self.template).name

    def typed(self, *words: str) -> str:
        """A command as the user can type it."""
        import shlex

        return " ".join([self.words, *(shlex.quote(word) for word in words)])

    def examples(self, *lines: str, template: str = "") -> list[str]:
        """Examples for `--help`.

        Args:
            lines: commands without the program; `TEMPLATE` stands for one where the
                program's users name it, and leaves no gap where they do not.
            template: the template as it is shown.
        """
        shown = "" if self.is_bound else f" {template}"
        return [f"{self.words} {line.replace(' TEMPLATE', shown)}" for line in lines]


def new_parser(
    prog: str,
    description: str,
    version: Callable[[], str],
    without: Collection[type[SapwoodError]] = (),
) -> Parser:
    """The parser of a program, to which no command was added yet.

    Args:
        prog: name of the program, as users type it.
        description: the text above the commands in `--help`.
        version: gives what `--version` prints behind the name.
        without: errors that the program cannot meet.
    """
    parser = Parser(
        prog=prog,
        description=description,
        epilog=f"exit codes:\n{exit_codes(without)}\n{FOUND}\n"
        f"  {INTERRUPTED:<5}interrupted (^C)\n\n"
        f"'{prog} COMMAND --help' shows the options of a command, and examples.",
    )
    parser.add_argument(
        "--version", action=PrintVersion, reader=version, help="print the version and exit"
    )
    return parser
