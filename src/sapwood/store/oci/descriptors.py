"""What names things in an OCI image layout: references, descriptors, indexes.

Nothing here looks at the disk. What comes in was parsed from JSON that anybody may have
written; descriptor.md, image-index.md and manifest.md of
github.com/opencontainers/image-spec say what it should be.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from sapwood.documents.fields import Table
from sapwood.errors import InputError, InvalidTemplate

LAYOUT = "oci:"
SCHEMA = 2  # of manifests and indexes; will not change
MOST_NAMED = 20  # tags or digests in an error
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAG = "org.opencontainers.image.ref.name"
DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """What names an artifact in a layout. Without tag and digest: the only one.

    Attributes:
        folder: of the layout.
        tag: that its index has for it.
        digest: of its manifest, or of an index that has only one.
    """

    folder: str
    tag: str | None = None
    digest: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Blob:
    """What a descriptor says of a blob.

    Attributes:
        media_type: of it.
        digest: algorithm, colon and lower-case hex digits.
        size: bytes.
        annotations: whatever was noted on it.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str]


def parse_reference(text: str) -> Reference:
    """Parses `FOLDER`, `FOLDER:TAG` or `FOLDER@sha256:…`.

    As skopeo has it, the folder ends at the first colon; a tag may hold more of them.

    Raises:
        InputError: it is none of these.
    """
    folder, at, digest = text.rpartition("@")
    if at and digest.startswith(("sha256:", "sha512:")):
        if not DIGEST.fullmatch(digest):
            raise InputError(
                f"{LAYOUT}{text!r:.200}: expected a digest of 64 hex digits behind @sha256: "
                "(128 behind @sha512:), in lower case"
            )
        found = Reference(folder, None, digest)
    else:
        folder, colon, tag = text.partition(":")
        found = Reference(folder, tag if colon else None)
    if not found.folder or found.tag == "":
        raise InputError(
            f"{LAYOUT}{text!r:.200}: expected {LAYOUT}FOLDER, {LAYOUT}FOLDER:TAG or "
            f"{LAYOUT}FOLDER@sha256:DIGEST; a folder with a colon in its name needs another"
        )
    return found


def check_kind(table: Table, media_type: str) -> None:
    """Sees to it that a document is what leads to it says that it is.

    Raises:
        InvalidTemplate: it is not, or could be taken for either.
    """
    expected, other = ("manifests", "layers") if media_type == INDEX else ("layers", "manifests")
    if other in table:
        raise table.fail(other, f"expected {media_type}, which has none")
    if table.integer("schemaVersion") != SCHEMA:
        raise table.fail("schemaVersion", f"expected {SCHEMA}")
    claimed = table.optional_text("mediaType") or media_type
    if claimed != media_type or expected not in table:
        raise table.fail(
            "mediaType", f"expected {media_type} with {expected}, found {claimed!r:.80}"
        )


def descriptors(index: Table) -> list[Blob]:
    """The manifests and indexes that an index lists. What else it lists is passed over."""
    return [
        blob_of(one)
        for one in index.tables("manifests")
        if one.optional_text("mediaType") in {INDEX, MANIFEST}
    ]


def blob_of(descriptor: Table) -> Blob:
    """Parses a descriptor.

    Raises:
        InvalidTemplate: it breaks the rules.
    """
    digest = descriptor.text("digest")
    if not DIGEST.fullmatch(digest):
        raise descriptor.fail(
            "digest", f"expected sha256 or sha512 and hex digits, found {digest!r:.150}"
        )
    notes: dict[str, str] = {}
    if descriptor.has("annotations"):
        found = descriptor.mapping("annotations")
        table = Table(found, f"{descriptor.where}.annotations", InvalidTemplate)
        notes = {name: table.text(name) for name in found}
    return Blob(descriptor.text("mediaType"), digest, descriptor.integer("size"), notes)


def chosen(found: Sequence[Blob], reference: Reference, folder: object) -> Blob:
    """What a reference names among those that an index lists.

    Without a tag it is the only one that has tags, for the others are signatures and the
    like, or were replaced; where none has any, the only one.

    Raises:
        InputError: it names none, or several.
        InvalidTemplate: a tag stands for several.
    """
    tagged = [one for one in found if TAG in one.annotations]
    tags = {one.annotations[TAG] for one in tagged}
    if reference.tag is None:
        fitting = {one.digest: one for one in tagged or found}
        if len(fitting) != 1:
            names = (
                f"FOLDER:TAG, of {named(tags)}" if tags else f"FOLDER@DIGEST, of {named(fitting)}"
            )
            raise InputError(
                f"{LAYOUT}{folder}: expected one artifact, found {len(fitting)}; name one, "
                f"{LAYOUT}{names}"
            )
    else:
        fitting = {one.digest: one for one in tagged if one.annotations[TAG] == reference.tag}
        if not fitting:
            raise InputError(
                f"{LAYOUT}{folder}: expected the tag {reference.tag!r:.80}, found {named(tags)}"
            )
        if len(fitting) > 1:
            raise InvalidTemplate(
                f"index.json: expected one artifact of the tag {reference.tag!r:.80}, found "
                f"{named(fitting)}; name one by its digest"
            )
    return next(iter(fitting.values()))


def named(names: Iterable[str]) -> str:
    """A few names for an error, made harmless for terminals."""
    every = sorted(names)
    shown = [f"{one!r:.150}" for one in every[:MOST_NAMED]]
    more = [f"and {len(every) - MOST_NAMED} more"] if len(every) > MOST_NAMED else []
    return ", ".join(shown + more) or "none"
