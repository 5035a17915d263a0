"""The record of a workspace, `.NAME/version.json`: what was installed, from which version.

Whether the user modified a file is not in it: that is computed from what is on disk, and a
flag would go stale.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from packaging.version import InvalidVersion, Version

from sapwood.documents.fields import Table
from sapwood.documents.paths import clash_among, fault_of
from sapwood.errors import InvalidWorkspace, UnsupportedWorkspace
from sapwood.files.reading import read_whole
from sapwood.package.course import Course, course_in_record
from sapwood.package.identity import Content
from sapwood.workspace.record.places import Places

FORMAT = "sapwood-workspace"
SCHEMA = 1
LARGEST = 256 << 20  # bytes of a record, more than 100,000 files take
HASH = re.compile(r"(?:sha256|notebook):[0-9a-f]{64}")
DIGEST = re.compile(r"[0-9a-f]{64}")
REMEDY = (
    "restore the file from a backup of yours, or move it away and make it anew with 'init', "
    "which keeps your files"
)


@dataclasses.dataclass(frozen=True, slots=True)
class FileEntry:
    """What was installed under one path.

    Attributes:
        version: the latest of the template's that holds this content.
        content: canonical hash and mode.
        size: of the template's file, bytes.
        blob: SHA-256 of the template's file, under which its bytes are kept; None where
            they are not kept: weights, and files too large to show differences of.
        extra: whether it is of an extra assignment, and none of the template's.
    """

    version: str
    content: Content
    size: int
    blob: str | None
    extra: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What is known of a workspace.

    Attributes:
        template: name of the template.
        workspace_version: the template's version that the workspace was made from.
        template_version: the one that it was last updated to, as a whole: files of single
            modules may be of later ones.
        created, last_updated: in UTC.
        files: what was installed, by path.
        course: that configures it; None where the template is used as it is.
    """

    template: str
    workspace_version: str
    template_version: str
    created: datetime
    last_updated: datetime
    files: Mapping[str, FileEntry]
    course: Course | None = None

    def contents(self) -> dict[str, Content]:
        """What was installed, as the planner takes it."""
        return {path: entry.content for path, entry in self.files.items()}

    def blobs(self) -> frozenset[str]:
        """The blobs that the record needs."""
        return frozenset(one.blob for one in self.files.values() if one.blob is not None)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "template": self.template,
            "workspace_version": self.workspace_version,
            "template_version": self.template_version,
            "created": written_time(self.created),
            "last_updated": written_time(self.last_updated),
            **({} if self.course is None else {"course": self.course.to_json()}),
            "files": {path: entry_to_json(self.files[path]) for path in sorted(self.files)},
        }

    def to_bytes(self) -> bytes:
        """The record as a file; the same record gives the same bytes."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n").encode()


def entry_to_json(entry: FileEntry) -> dict[str, Any]:
    """What was installed, as JSON values."""
    out: dict[str, Any] = {
        "version": entry.version,
        "hash": entry.content.hash,
        "size": entry.size,
        "blob": entry.blob,
    }
    if entry.content.executable:
        out["executable"] = True
    if entry.extra:
        out["extra"] = True
    return out


def read_record(places: Places) -> Record | None:
    """The record of a workspace, None where there is none yet.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: it is damaged, or too new.
        OSError: it cannot be read.
    """
    try:
        data = read_whole(places.record, LARGEST)
    except FileNotFoundError:
        return None
    if data is None:
        raise InvalidWorkspace(f"{places.record}: damaged: larger than any record")
    record = parse_record(data, str(places.record))
    if record.template != places.name:
        raise InvalidWorkspace(
            f"{places.record}: expected the record of {places.name}, found that of "
            f"{record.template!r:.80}; rename the folder .{places.name} back"
        )
    return record


def installed_record(places: Places) -> Record:
    """The record of a workspace that is made.

    Raises:
        InvalidWorkspace, UnsupportedWorkspace: it is missing, damaged, or too new.
        OSError: it cannot be read.
    """
    record = read_record(places)
    if record is None:
        raise InvalidWorkspace(
            f"{places.record}: missing; 'init' finishes a workspace that was not made to the end"
        )
    return record


def parse_record(data: bytes, where: str) -> Record:
    """Reads a record.

    Args:
        data: the file's bytes.
        where: it lies, for errors.

    Raises:
        UnsupportedWorkspace: a newer program wrote it.
        InvalidWorkspace: it is damaged; nothing else, whatever the bytes.
    """
    return record_from_json(parse_json(data, where), where)


def parse_json(data: bytes, where: str) -> Any:
    """The value of a JSON file of ours.

    Raises:
        InvalidWorkspace: it is none, or has a key twice.
    """
    if len(data) > LARGEST:
        raise InvalidWorkspace(f"{where}: damaged: {len(data)} bytes; {REMEDY}")
    try:
        return json.loads(data.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as e:
        raise InvalidWorkspace(f"{where}: damaged: {e}; {REMEDY}") from e


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of an object in which no key occurs twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def record_from_json(value: Any, where: str) -> Record:
    """A record from JSON values.

    Raises:
        UnsupportedWorkspace, InvalidWorkspace: as `parse_record`.
    """
    table = Table(value, where, InvalidWorkspace)
    if table.text("format") != FORMAT:
        raise table.fail("format", f"expected {FORMAT!r}; {REMEDY}")
    schema = table.integer("schema")
    if schema > SCHEMA:
        raise UnsupportedWorkspace(
            f"{where}: expected schema {SCHEMA} or lower, found {schema}; update sapwood"
        )
    entries = table.named_tables("files")
    files = {path: entry_from_json(path, entry) for path, entry in entries.items()}
    clash = clash_among(files)
    if clash:
        raise table.fail("files", f"{clash[0]!r:.120} and {clash[1]!r:.120} clash; {REMEDY}")
    return Record(
        template=table.text("template"),
        workspace_version=checked_version(table, "workspace_version"),
        template_version=checked_version(table, "template_version"),
        created=read_time(table, "created"),
        last_updated=read_time(table, "last_updated"),
        files=files,
        course=course_in_record(table.table("course"), REMEDY) if "course" in table else None,
    )


def entry_from_json(path: str, table: Table) -> FileEntry:
    """What was installed under a path."""
    fault = fault_of(path)
    if fault:
        raise table.fail("path", f"{fault}; {REMEDY}")
    content = table.text("hash")
    blob = table.optional_text("blob")
    if not HASH.fullmatch(content) or (blob is not None and not DIGEST.fullmatch(blob)):
        raise table.fail("hash", f"expected 64 hexadecimal digits; {REMEDY}")
    version = checked_version(table, "version")
    return FileEntry(
        version=version,
        content=Content(content, table.flag("executable")),
        size=table.integer("size"),
        blob=blob,
        extra=table.flag("extra"),
    )


def checked_version(table: Table, field: str) -> str:
    """A version as PEP 440 has them."""
    text = table.text(field)
    try:
        return normalised(text[:64])
    except InvalidVersion as e:
        raise table.fail(field, f"expected a version, found {text!r:.40}; {REMEDY}") from e


@lru_cache(maxsize=1024)  # the files of a workspace come from few versions
def normalised(version: str) -> str:
    """A version as PEP 440 writes it."""
    return str(Version(version))


def read_time(table: Table, field: str) -> datetime:
    """A time with its offset."""
    text = table.text(field)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise table.fail(field, f"expected a time, found {text!r:.40}; {REMEDY}") from e


def written_time(time: datetime) -> str:
    """A time in UTC, as in '2027-01-15T10:30:00Z'."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
