"""The journal of a change: enough to finish it after the program was killed.

It is written once everything is staged, backed up and durable, and dropped once the record
is. While it is there, each step is either done, or the file is as it was, or somebody
else has written to it since.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any

from sapwood.documents.fields import Fields
from sapwood.documents.paths import portable
from sapwood.errors import UnsupportedWorkspace
from sapwood.files.reading import read_whole
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import (
    HASH,
    LARGEST,
    Record,
    own_bytes,
    own_fields,
    record_from_fields,
)

FORMAT = "sapwood-journal"
SCHEMA = 1
STAGED = re.compile(r"[0-9]{1,9}")
FOLDER = re.compile(r"[0-9a-f]{16}")
REMEDY = "move it away to give up the change that was interrupted; its backup is in backups/"


class StepKind(enum.StrEnum):
    """What a step does."""

    WRITE = "write"  # a staged file takes its name
    REMOVE = "remove"
    MODE = "mode"  # make a file executable, or no longer


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeStep:
    """What happens to one file.

    Attributes:
        kind: what is done.
        path: path of the file, from the workspace's root.
        old: 'sha256:…' of its bytes as they were, None where nothing was.
        new: 'sha256:…' of the bytes that it gets; None if it gets none.
        staged: name of the staged file; None but of a step of kind WRITE.
        beside: path that the staged file gets if somebody else has written to `path` since.
        after: path of a step that must not have missed, or this one is not done either.
        executable: whether the file may be run after a step of kind MODE.
    """

    kind: StepKind
    path: str
    old: str | None = None
    new: str | None = None
    staged: str | None = None
    beside: str | None = None
    after: str | None = None
    executable: bool = False

    def to_json(self) -> dict[str, Any]:
        """The step as JSON values."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value not in {None, False}
        }


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeJournal:
    """A change that is being made.

    Attributes:
        folder: name of the folder of its staged files.
        steps: steps, in the order in which they are made.
        record: record that is written at the end; None if it stays.
    """

    folder: str
    steps: tuple[ChangeStep, ...]
    record: Record | None

    def to_bytes(self) -> bytes:
        """The journal as a file."""
        value = {
            "format": FORMAT,
            "schema": SCHEMA,
            "folder": self.folder,
            "steps": [one.to_json() for one in self.steps],
            "record": None if self.record is None else self.record.to_json(),
        }
        return own_bytes(value)


def read_journal(places: Places) -> ChangeJournal | None:
    """The journal of a change that was interrupted, None where there is none.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: it is damaged, or too new.
        OSError: it cannot be read.
    """
    try:
        data = read_whole(places.journal, LARGEST)
        return parse_journal(data or b"", str(places.journal))
    except FileNotFoundError:
        return None


def parse_journal(data: bytes, where: str) -> ChangeJournal:
    """Reads a journal.

    Args:
        data: the file's bytes.
        where: path of the file, for errors.

    Raises:
        UnsupportedWorkspace: a newer program wrote it.
        InvalidWorkspace: it is damaged, or would lead outside of the workspace.
    """
    fields = own_fields(data, where, REMEDY)
    if fields.text("format") != FORMAT:
        raise fields.fail("format", f"expected {FORMAT!r}")
    if fields.size("schema") > SCHEMA:
        raise UnsupportedWorkspace(
            f"{where}: written by a newer program; update sapwood, or {REMEDY}"
        )
    record = fields.nullable_object("record")
    folder = fields.text("folder")
    if not FOLDER.fullmatch(folder):
        raise fields.fail("folder", "expected 16 hexadecimal digits")
    return ChangeJournal(
        folder=folder,
        steps=tuple(_step_from(one) for one in fields.objects("steps")),
        record=None if record is None else record_from_fields(record),
    )


def _step_from(fields: Fields) -> ChangeStep:
    """A step from its fields."""
    kind = fields.text("kind")
    if kind not in set(StepKind):
        raise fields.fail("kind", f"expected one of {', '.join(StepKind)}")
    paths = {name: fields.optional_text(name) for name in ("path", "beside", "after")}
    for name, path in paths.items():
        fault = None if path is None else portable(path)
        if fault is not None:
            raise fields.fail(name, fault)
    digests = {name: fields.optional_text(name) for name in ("old", "new")}
    for name, digest in digests.items():
        if digest is not None and not HASH.fullmatch(digest):
            raise fields.fail(name, "expected a SHA-256")
    staged = fields.optional_text("staged")
    if (staged is None) == (kind == StepKind.WRITE) or (staged and not STAGED.fullmatch(staged)):
        raise fields.fail("staged", "expected a number")
    return ChangeStep(
        kind=StepKind(kind),
        path=fields.text("path"),
        staged=staged,
        beside=paths["beside"],
        after=paths["after"],
        executable=fields.flag("executable"),
        **digests,
    )
