"""The program that the commands of workspaces belong to: `sapwood`, or an author's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os


class Program(NamedTuple):  # `--help` is too quick for `dataclasses`
    """What the commands of workspaces are bound to.

    Attributes:
        words: as they are typed before the name of a command.
        template: where the one template is that the program is for; None for a program
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
            template: as it is shown.
        """
        shown = "" if self.is_bound else f" {template}"
        return [f"{self.words} {line.replace(' TEMPLATE', shown)}" for line in lines]


def commands_text(examples: Sequence[str]) -> str:
    """The end of the help of a command that has commands below it."""
    return "\n".join(["examples:", *(f"  {example}" for example in examples)])
