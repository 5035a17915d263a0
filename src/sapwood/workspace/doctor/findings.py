"""What doctor finds: pure data. The words of commands are left to the program that shows them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

TEMPLATE = "\0template"  # stands for the template among the words of a command


class Severity(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing is wrong
    PROBLEM = "problem"


@dataclasses.dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about a finding.

    Attributes:
        text: what to do by other means than a command of the program; "" for nothing.
        command: words of a command of the program, done after that; () for none. TEMPLATE
            among them stands for the template, where the program's users name one.
    """

    text: str = ""
    command: tuple[str, ...] = ()

    def words(self, template: Sequence[str]) -> list[str]:
        """The command's words, with what names the template where it is to be named."""
        found: list[str] = []
        for word in self.command:
            found += template if word == TEMPLATE else [word]
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        kind: word for programs, as 'export'.
        severity: how bad it is.
        subject: what was looked at: a path in the workspace, a package, ...
        message: what was found, for people.
        remedy: what to do about it; None where there is nothing to do.
    """

    kind: str
    severity: Severity
    subject: str
    message: str
    remedy: Remedy | None = None

    def to_json(self) -> dict[str, str]:
        """What was found, as JSON values. How a remedy is typed is for the program to say."""
        return {
            "kind": self.kind,
            "severity": self.severity.value,
            "subject": self.subject,
            "message": self.message,
        }


UPDATE = Remedy(command=("update", TEMPLATE))


def ok(kind: str, subject: str, message: str) -> Finding:
    """Something that is as it should be."""
    return Finding(kind, Severity.OK, subject, message)


def noted(kind: str, subject: str, message: str, remedy: Remedy | None = None) -> Finding:
    """Something worth knowing."""
    return Finding(kind, Severity.NOTE, subject, message, remedy)


def problem(kind: str, subject: str, message: str, remedy: Remedy | None = None) -> Finding:
    """Something that is wrong."""
    return Finding(kind, Severity.PROBLEM, subject, message, remedy)
