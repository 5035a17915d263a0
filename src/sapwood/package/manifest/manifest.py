"""The manifest of a package, `sapwood-template.toml`: parsed once, data only.

No part of a package is ever executed. A manifest names policies by pattern, and says what
became of files in later versions; docs/workspaces.md shows one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator

from packaging.version import Version

from sapwood.documents.fields import Fields
from sapwood.documents.paths import clash_among, folded, portable, portable_name
from sapwood.documents.toml import parse_toml
from sapwood.errors import InvalidPackage
from sapwood.package.manifest.datasets import Dataset, datasets_of
from sapwood.package.manifest.modules import Module, modules_of
from sapwood.package.manifest.patches import WeightsPatch, patch_only, patches_of
from sapwood.package.manifest.policies import Rules, fault_of_amount, rules_of
from sapwood.package.manifest.python import Environment, Export, environment_of, exports_of
from sapwood.package.manifest.values import entries_in, line_from, path_in, version_in

MANIFEST_FILE = "sapwood-template.toml"
SCHEMA = 1
LARGEST = 1 << 20  # bytes of a manifest
# Of a workspace of another package, in the same folder.
RECORD_OF_ANOTHER = re.compile(r"\.[^/]+/(?:version|journal)\.json")
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FIELDS = (
    *("schema", "name", "version", "user", "policies", "migrations", "notes", "patches"),
    *("modules", "exports", "environment", "data"),
)
USER = "user"  # what owners of a workspace are called where the manifest does not say


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """Why a file changed.

    Attributes:
        path: path of the file.
        text: the reason, as 'bug fix'.
        version: the version in which it changed; None if the note holds whatever version the
            user has.
    """

    path: str
    text: str
    version: Version | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says of itself.

    Attributes:
        name: the package's name. Its workspaces keep their record in a folder `.NAME`.
        version: the package's version.
        rules: policies, renames and retirements.
        notes: reasons why files changed.
        patches: patches that the package carries for files of weights.
        user: a word for the owners of a workspace, as 'student'.
        modules: parts that can be updated and reset alone, in their order.
        data: files that are downloaded on demand.
        exports: notebooks whose marked cells become Python modules of the workspace.
        environment: what has to be installed for the workspace to work.
    """

    name: str
    version: Version
    rules: Rules = dataclasses.field(default_factory=Rules)
    notes: tuple[Note, ...] = ()
    patches: tuple[WeightsPatch, ...] = ()
    user: str = USER
    modules: tuple[Module, ...] = ()
    data: tuple[Dataset, ...] = ()
    exports: tuple[Export, ...] = ()
    environment: Environment = dataclasses.field(default_factory=Environment)
    # Asked for file by file, of which there may be as many.
    _notes_by_path: dict[str, list[Note]] = dataclasses.field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _patch_by_base: dict[tuple[str, Version], str] = dataclasses.field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Puts notes and patches where they are looked up; of several patches the first counts."""
        for note in self.notes:
            self._notes_by_path.setdefault(note.path, []).append(note)
        for one in self.patches:
            self._patch_by_base.setdefault((one.path, one.base), one.patch)

    def note_for(self, path: str, since: str | None) -> str | None:
        """Why a file changed.

        Args:
            path: path of the file.
            since: the package's version that the user has the file of, None for none.
        """
        have = None if since is None else Version(since)
        for note in self._notes_by_path.get(path, ()):
            if note.version is None or have is None or note.version > have:
                return note.text
        return None

    def patch_for(self, path: str, base: str) -> str | None:
        """The path of the patch that leads to this version of a file, or None."""
        return self._patch_by_base.get((path, Version(base)))

    def not_installed(self) -> frozenset[str]:
        """Paths in the package that are no files of a workspace."""
        return frozenset({MANIFEST_FILE, *(one.patch for one in self.patches)})


def parse_manifest(data: bytes) -> Manifest:
    """The manifest that a document is.

    Raises:
        InvalidPackage: the document is no manifest; nothing else, whatever the bytes.
    """
    value = parse_toml(data, MANIFEST_FILE, InvalidPackage, LARGEST)
    table = Fields(value, MANIFEST_FILE, InvalidPackage)
    schema = table.size("schema")
    if schema != SCHEMA:
        raise table.fail("schema", f"expected {SCHEMA}, found {schema}; update sapwood")
    table.only(FIELDS)
    rules = rules_of(table)
    return Manifest(
        name=_name_of(table),
        version=version_in(table, "version"),
        rules=rules,
        notes=tuple(map(_note_of, entries_in(table, "notes"))),
        patches=patches_of(table, rules),
        user=_user_of(table),
        modules=modules_of(table),
        data=datasets_of(table),
        exports=exports_of(table),
        environment=environment_of(table),
    )


def _user_of(table: Fields) -> str:
    """The word for owners of a workspace."""
    user = table.optional_text("user") or USER
    if len(user) > 40 or not user.isprintable():
        raise table.fail("user", "expected a word such as 'student'")
    return user


def _name_of(table: Fields) -> str:
    """The package's name: the folder in which a workspace keeps its record is named for it."""
    name = table.text("name")
    faults = (portable_name(one) for one in (name, f".{name}"))
    if not PACKAGE_NAME.fullmatch(name) or any(fault is not None for fault in faults):
        raise table.fail(
            "name", f"expected up to 64 of a-z, 0-9, - and _, and no device; found {name!r:.80}"
        )
    return name


def _note_of(table: Fields) -> Note:
    """Why a file changed."""
    table.only(("path", "text", "version"))
    text = line_from(table, "text", table.text("text"))
    version = version_in(table, "version") if "version" in table else None
    return Note(path_in(table, "path"), text, version)


def check_files(manifest: Manifest, held: Collection[str]) -> None:
    """Sees to it that the files of a package can be installed anywhere, and fit its manifest.

    Args:
        manifest: what the package says of itself.
        held: paths of all files that it holds, the manifest itself among them.

    Raises:
        InvalidPackage: a path leads outside or cannot be written on every system, two
            are one where case is folded, one is in the way of another or of what is
            exported, one lies where the record does, the manifest names a patch, a
            notebook or an old name wrongly, or has too many patterns for so many files.
    """
    names = [*held, *patch_only(manifest.patches, held)]
    for path in names:
        _check_path(path, f".{manifest.name}")
    clash = clash_among([*names, *(one.to for one in manifest.exports)])
    if clash:
        raise InvalidPackage(
            f"{clash[0]!r:.120} and {clash[1]!r:.120} cannot both be files on every system; "
            "rename one in the package"
        )
    amount = fault_of_amount(manifest.rules, names)
    fault = amount or next(_wrong_names(manifest, held, frozenset(names)), None)
    if fault is not None:
        raise InvalidPackage(f"{MANIFEST_FILE}: {fault}")


def _wrong_names(
    manifest: Manifest, held: Collection[str], there: Collection[str]
) -> Iterator[str]:
    """What a manifest names wrongly, in words.

    Args:
        manifest: what the package says of itself.
        held: paths of all files that the package holds.
        there: these, and the paths of files that it has only as patches.
    """
    for patch in manifest.patches:
        if patch.patch not in held:
            yield f"patches name {patch.patch!r:.120}, which is not there"
        if patch.path not in there:
            yield (
                f"patches name {patch.path!r:.120}, which is not there; give the sha256 and size "
                "that they lead to, or put the file in"
            )
    for export in manifest.exports:
        if export.notebook not in held:
            yield f"exports name {export.notebook!r:.120}, which is not there"
    for old in manifest.rules.renames:
        if old in there:
            yield f"{old!r:.120} was renamed and is still there; drop one of the two"


def _check_path(path: str, private: str) -> None:
    """Sees to it that a file of a package can be installed anywhere.

    Args:
        path: path of the file.
        private: the folder in which workspaces of the package keep their record.

    Raises:
        InvalidPackage: it leads outside, cannot be written on every system, or lies where
            this record does or another package's would.
    """
    fault = portable(path)
    if fault:
        raise InvalidPackage(f"{path!r:.120}: {fault}; rename the file in the package")
    if folded(path.partition("/")[0]) == private:
        raise InvalidPackage(
            f"{path!r:.120}: lies in {private}/, where workspaces keep their record; "
            "rename the folder in the package"
        )
    if RECORD_OF_ANOTHER.fullmatch(folded(path)):
        raise InvalidPackage(
            f"{path!r:.120}: has the name of a workspace's record; rename it in the package"
        )
