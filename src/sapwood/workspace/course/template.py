"""A template: the package that a workspace is made from, as a course has it where one does.

It is data. Planning, staging and applying take a template as it is, and know nothing of how
a course came to its paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set

from sapwood.files.stamps import Stamps
from sapwood.package import FileIdentity, Manifest, Package, PackageFile, PatchOnly
from sapwood.workspace.record.course import Course


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """What a workspace gets. It reads from its package, which has to be open as long.

    Attributes:
        manifest: the package's manifest, with paths of the workspace.
        files: files of the package and of the course, by path in the workspace.
        patches: the package's patches for files of weights, by path in the package.
        course: course that it is configured by; None where it is as its author made it.
        extras: paths of the files that are the course's.
        known: identities of files that need not be read for them, by path: of those of the
            course's that only the workspace itself has.
    """

    manifest: Manifest
    files: Mapping[str, PackageFile]
    patches: Mapping[str, PackageFile]
    course: Course | None = None
    extras: Set[str] = frozenset()
    known: Mapping[str, FileIdentity] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, package: Package) -> Template:
        """The template that a package is as its author made it."""
        return cls(package.manifest, package.files, package.patches)

    @property
    def version(self) -> str:
        """The package's version, normalised."""
        return str(self.manifest.version)

    def patch_only(self) -> dict[str, PatchOnly]:
        """The files of which the package holds patches alone, by path."""
        return {path: one.only for path, one in self.files.items() if one.only is not None}

    def identities(self, stamps: Stamps) -> dict[str, FileIdentity]:
        """What the files hold, or patches lead to, as the planner takes it.

        Args:
            stamps: hashes of files that were looked at before.

        Raises:
            InvalidPackage: a file is not what the manifest says that patches lead to.
            InvalidStore: the store that the package lies in is damaged.
            OSError: a file cannot be read.
        """
        return {
            path: self.known[path] if path in self.known else _identity_of(file, stamps)
            for path, file in self.files.items()
        }


def _identity_of(file: PackageFile, stamps: Stamps) -> FileIdentity:
    """What a file of a package holds, or patches lead to; raises what `identities` does."""
    if file.only is not None:
        return file.only.identity(None)
    # Not a path of a workspace: those begin with no slash.
    found = stamps.hash_of(f"/template/{file.path}", file.stamp, file.canonical_hash)
    file.check_target(found)
    return FileIdentity(found, file.executable)
