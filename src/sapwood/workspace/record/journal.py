"""The journal of a change: enough to finish it after the program was killed.

It is written once everything is staged, backed up and durable, and dropped once the record
is. While it is there, each step is either done, or the file is as it was, or somebody
else has written to it since.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from typing import Any

from sapwood.documents.fields import Table
from sapwood.documents.paths import fault_of
from sapwood.errors import InvalidWorkspace, UnsupportedWorkspace
from sapwood.files.reading import read_whole
from sapwood.workspace.record.places import Places
from sapwood.workspace.record.record import (
    HASH,
    LARGEST,
    Record,
    parse_json,
    record_from_json,
)

FORMAT = "sapwood-journal"
SCHEMA = 1
STAGED = re.compile(r"[0-9]{1,9}")
FOLDER = re.compile(r"[0-9a-f]{16}")
REMEDY = "move it away to give up the change that was interrupted; its backup is in backups/"


class Kind(enum.StrEnum):
    """What a step does."""

    WRITE = "write"  # a staged file takes its name
    REMOVE = "remove"
    MODE = "mode"  # make a file executable, or no longer


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What happens to one file.

    Attributes:
        kind: of the step.
        path: of the file, from the workspace's root.
        old: 'sha256:…' of its bytes as they were, None where nothing was.
        new: of those that it gets; None if it is removed.
        staged: name of the staged file.
        beside: where the staged file goes if somebody else has written to `path` since.
        after: path of a step that must not have missed, or this one is not done either.
        executable: what a step of kind MODE makes the file.
    """

    kind: Kind
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
class Journal:
    """A change that is being made.

    Attributes:
        folder: name of the folder of its staged files.
        steps: in order.
        record: to write at the end; None if it stays.
    """

    folder: str
    steps: tuple[Step, ...]
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
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def read_journal(places: Places) -> Journal | None:
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
    except InvalidWorkspace as e:
        raise e.before(REMEDY) from e


def parse_journal(data: bytes, where: str) -> Journal:
    """Reads a journal.

    Raises:
        UnsupportedWorkspace: a newer program wrote it.
        InvalidWorkspace: it is damaged, or would lead outside of the workspace.
    """
    value = parse_json(data, where)
    table = Table(value, where, InvalidWorkspace)
    if table.text("format") != FORMAT:
        raise table.fail("format", f"expected {FORMAT!r}")
    if table.integer("schema") > SCHEMA:
        raise UnsupportedWorkspace(f"{where}: written by a newer program; update sapwood")
    record = value.get("record")
    folder = table.text("folder")
    if not FOLDER.fullmatch(folder):
        raise table.fail("folder", "expected 16 hexadecimal digits")
    return Journal(
        folder=folder,
        steps=tuple(step_from(one) for one in table.tables("steps")),
        record=None if record is None else record_from_json(record, f"{where}.record"),
    )


def step_from(table: Table) -> Step:
    """A step from JSON values."""
    kind = table.text("kind")
    if kind not in set(Kind):
        raise table.fail("kind", f"expected one of {', '.join(Kind)}")
    for name in ("path", "beside", "after"):
        path = table.optional_text(name)
        fault = fault_of(path) if path is not None else None
        if fault:
            raise table.fail(name, fault)
    for name in ("old", "new"):
        digest = table.optional_text(name)
        if digest is not None and not HASH.fullmatch(digest):
            raise table.fail(name, "expected a SHA-256")
    staged = table.optional_text("staged")
    if (staged is None) == (kind == Kind.WRITE) or (staged and not STAGED.fullmatch(staged)):
        raise table.fail("staged", "expected a number")
    return Step(
        kind=Kind(kind),
        path=table.text("path"),
        old=table.optional_text("old"),
        new=table.optional_text("new"),
        staged=staged,
        beside=table.optional_text("beside"),
        after=table.optional_text("after"),
        executable=table.flag("executable"),
    )
