"""What names things in an OCI image layout: references, descriptors, indexes.

Nothing here looks at the disk. What comes in was parsed from JSON that anybody may have
written; descriptor.md, image-index.md and manifest.md of
github.com/opencontainers/image-spec say what it should be.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from sapwood.documents.fields import Fields
from sapwood.errors import InputError, InvalidStore

OCI = "oci:"  # begins the name of an artifact in a layout
SCHEMA = 2  # of manifests and indexes; will not change
MOST_NAMED = 20  # tags or digests in an error
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAG = "org.opencontainers.image.ref.name"
DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """What names an artifact in a layout; without tag and digest, the only one in it.

    Attributes:
        folder: the path of the layout's folder.
        tag: the tag that the layout's index has for the artifact.
        digest: the digest of the artifact's manifest, or of an index that has only one.
    """

    folder: str
    tag: str | None = None
    digest: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Descriptor:
    """What leads to a blob, and says what it is.

    Attributes:
        media_type: what the blob holds; empty where only its digest is known.
        digest: algorithm, colon and lower-case hex digits.
        size: bytes of the blob; negative where only its digest is known.
        annotations: what was noted on the blob, by name.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str]


def parse_reference(text: str) -> Reference:
    """Parses `FOLDER`, `FOLDER:TAG` or `FOLDER@sha256:…`.

    As skopeo has it, the folder ends at the first colon; a tag may hold more of them.

    Raises:
        InputError: the text is none of these.
    """
    folder, at, digest = text.rpartition("@")
    if at and digest.startswith(("sha256:", "sha512:")):
        if not DIGEST.fullmatch(digest):
            raise InputError(
                f"{OCI}{text!r:.200}: expected a digest of 64 hex digits behind @sha256: "
                "(128 behind @sha512:), in lower case"
            )
        found = Reference(folder, None, digest)
    else:
        folder, colon, tag = text.partition(":")
        found = Reference(folder, tag if colon else None)
    if not found.folder or found.tag == "":
        raise InputError(
            f"{OCI}{text!r:.200}: expected {OCI}FOLDER, {OCI}FOLDER:TAG or "
            f"{OCI}FOLDER@sha256:DIGEST; a folder with a colon in its name needs another"
        )
    return found


def check_kind(table: Fields, media_type: str) -> None:
    """Sees to it that an index or a manifest is what leads to it says that it is.

    Args:
        table: the document.
        media_type: the type that it should be of, of an index or a manifest.

    Raises:
        InvalidStore: it is of another type, or could be taken for either.
    """
    expected, other = ("manifests", "layers") if media_type == INDEX else ("layers", "manifests")
    if other in table:
        raise table.fail(other, f"expected {media_type}, which has none")
    if table.size("schemaVersion") != SCHEMA:
        raise table.fail("schemaVersion", f"expected {SCHEMA}")
    claimed = table.optional_text("mediaType", null=True) or media_type
    if claimed != media_type or expected not in table:
        raise table.fail(
            "mediaType", f"expected {media_type} with {expected}, found {claimed!r:.80}"
        )


def descriptors_in(index: Fields) -> list[Descriptor]:
    """The manifests and indexes that an index lists. What else it lists is passed over."""
    return [
        parse_descriptor(one)
        for one in index.objects("manifests")
        if one.optional_text("mediaType", null=True) in {INDEX, MANIFEST}
    ]


def parse_descriptor(descriptor: Fields) -> Descriptor:
    """Parses a descriptor.

    Raises:
        InvalidStore: a field is missing or of another type, or the digest is none.
    """
    digest = descriptor.text("digest")
    if not DIGEST.fullmatch(digest):
        raise descriptor.fail(
            "digest", f"expected sha256 or sha512 and hex digits, found {digest!r:.150}"
        )
    notes = descriptor.optional_object("annotations", null=True)
    return Descriptor(
        descriptor.text("mediaType"),
        digest,
        descriptor.size("size"),
        {} if notes is None else notes.every_text(),
    )


def choose_descriptor(
    found: Sequence[Descriptor], reference: Reference, folder: object
) -> Descriptor:
    """The descriptor that a reference names among those that an index lists.

    Without a tag it is the only one that has tags, for the others are signatures and the
    like, or were replaced; where none has any, the only one.

    Args:
        found: the descriptors that the index lists.
        reference: a reference without a digest.
        folder: the layout's folder, for errors.

    Raises:
        InputError: the reference names no descriptor, or several.
        InvalidStore: a tag stands for several.
    """
    tagged = [one for one in found if TAG in one.annotations]
    tags = {one.annotations[TAG] for one in tagged}
    tag = reference.tag
    candidates = tagged or found
    if tag is not None:
        candidates = [one for one in tagged if one.annotations[TAG] == tag]
    fitting = {one.digest: one for one in candidates}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if tag is None:
        names = f":TAG, of {few_names(tags)}" if tags else f"@DIGEST, of {few_names(fitting)}"
        raise InputError(
            f"{OCI}{folder}: expected one artifact, found {len(fitting)}; name one, "
            f"{OCI}FOLDER{names}"
        )
    if not fitting:
        raise InputError(f"{OCI}{folder}: expected the tag {tag!r:.80}, found {few_names(tags)}")
    raise InvalidStore(
        f"index.json: expected one artifact of the tag {tag!r:.80}, found "
        f"{few_names(fitting)}; name one by its digest"
    )


def few_names(names: Iterable[str]) -> str:
    """A few names for an error, made harmless for terminals."""
    every = sorted(names)
    shown = [f"{one!r:.150}" for one in every[:MOST_NAMED]]
    more = [f"and {len(every) - MOST_NAMED} more"] if len(every) > MOST_NAMED else []
    return ", ".join(shown + more) or "none"
