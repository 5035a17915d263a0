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

from sapwood.documents.canonical_json import parse
from sapwood.documents.fields import Fields
from sapwood.documents.paths import clash_among, portable
from sapwood.errors import InvalidWorkspace, UnsupportedWorkspace
from sapwood.files.reading import read_whole
from sapwood.package import FileIdentity
from sapwood.workspace.record.course import Course, course_in_record
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
class RecordedFile:
    """What was installed under one path.

    Attributes:
        version: latest version of the template whose file is the same.
        identity: canonical hash and mode of the template's file.
        size: bytes of the template's file.
        blob: SHA-256 of the template's file in hexadecimal, under which its bytes are kept; None
            where they are not kept: weights, and files too large to show differences of.
        extra: whether the file is of an extra assignment, and none of the template's.
    """

    version: str
    identity: FileIdentity
    size: int
    blob: str | None
    extra: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What is known of a workspace.

    Attributes:
        template: name of the template.
        workspace_version: version of the template that the workspace was made from.
        template_version: version that it was last updated to, as a whole: files of single
            modules may be of later ones.
        created: the time when it was made, in UTC.
        last_updated: the time of the last change of the record, in UTC.
        files: what was installed, by path.
        course: course that configures it; None where the template is used as it is.
    """

    template: str
    workspace_version: str
    template_version: str
    created: datetime
    last_updated: datetime
    files: Mapping[str, RecordedFile]
    course: Course | None = None

    def identities(self) -> dict[str, FileIdentity]:
        """What was installed, as the planner takes it."""
        return {path: entry.identity for path, entry in self.files.items()}

    def blobs(self) -> frozenset[str]:
        """Digests of the blobs that the record needs."""
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
            "files": {path: _entry_to_json(self.files[path]) for path in sorted(self.files)},
        }

    def to_bytes(self) -> bytes:
        """The record as a file; the same record gives the same bytes."""
        return own_bytes(self.to_json())


def own_bytes(value: dict[str, Any]) -> bytes:
    """A JSON file that a workspace keeps of itself."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _entry_to_json(entry: RecordedFile) -> dict[str, Any]:
    """What was installed, as JSON values."""
    out: dict[str, Any] = {
        "version": entry.version,
        "hash": entry.identity.hash,
        "size": entry.size,
        "blob": entry.blob,
    }
    if entry.identity.executable:
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
        where: path of the file, for errors.

    Raises:
        UnsupportedWorkspace: a newer program wrote it.
        InvalidWorkspace: it is damaged; nothing else, whatever the bytes.
    """
    return record_from_fields(own_fields(data, where, REMEDY))


def own_fields(data: bytes, where: str, remedy: str) -> Fields:
    """The fields of a JSON file that a workspace keeps of itself.

    Args:
        data: the file's bytes.
        where: path of the file, for errors.
        remedy: what to do about a damaged one.

    Raises:
        InvalidWorkspace: the bytes are no JSON object.
    """
    return Fields(
        parse(data, where, InvalidWorkspace, remedy=remedy),
        where,
        InvalidWorkspace,
        unsupported=UnsupportedWorkspace,
        remedy=remedy,
    )


def record_from_fields(fields: Fields) -> Record:
    """A record from the fields of its file, or of the journal that holds it.

    Raises:
        UnsupportedWorkspace, InvalidWorkspace: as `parse_record`.
    """
    if fields.text("format") != FORMAT:
        raise fields.fail("format", f"expected {FORMAT!r}")
    schema = fields.size("schema")
    if schema > SCHEMA:
        raise UnsupportedWorkspace(
            f"{fields.where}: expected schema {SCHEMA} or lower, found {schema}; update sapwood"
        )
    entries = fields.object("files").every_object()
    files = {path: _entry_from_fields(path, entry) for path, entry in entries.items()}
    clash = clash_among(files)
    if clash:
        raise fields.fail("files", f"{clash[0]!r:.120} and {clash[1]!r:.120} clash")
    course = fields.optional_object("course")
    return Record(
        template=fields.text("template"),
        workspace_version=_checked_version(fields, "workspace_version"),
        template_version=_checked_version(fields, "template_version"),
        created=read_time(fields, "created"),
        last_updated=read_time(fields, "last_updated"),
        files=files,
        course=None if course is None else course_in_record(course),
    )


def _entry_from_fields(path: str, fields: Fields) -> RecordedFile:
    """What was installed under a path."""
    fault = portable(path)
    if fault:
        raise fields.fail("path", fault)
    canonical = fields.text("hash")
    blob = fields.optional_text("blob", null=True)
    if not HASH.fullmatch(canonical) or (blob is not None and not DIGEST.fullmatch(blob)):
        raise fields.fail("hash", "expected 64 hexadecimal digits")
    return RecordedFile(
        version=_checked_version(fields, "version"),
        identity=FileIdentity(canonical, fields.flag("executable")),
        size=fields.size("size"),
        blob=blob,
        extra=fields.flag("extra"),
    )


def _checked_version(fields: Fields, field: str) -> str:
    """A version as PEP 440 has them."""
    text = fields.text(field)
    try:
        return _normalised(text[:64])
    except InvalidVersion as e:
        raise fields.fail(field, f"expected a version, found {text!r:.40}") from e


@lru_cache(maxsize=1024)  # the files of a workspace come from few versions
def _normalised(version: str) -> str:
    """A version as PEP 440 writes it."""
    return str(Version(version))


def read_time(fields: Fields, field: str) -> datetime:
    """The time in a field, which has an offset, in UTC."""
    text = fields.text(field)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise fields.fail(field, f"expected a time, found {text!r:.40}") from e


def written_time(time: datetime) -> str:
    """A time in UTC, as in '2027-01-15T10:30:00Z'."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
