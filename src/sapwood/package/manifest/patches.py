"""Patches that a package carries for weights, and files that it has only as patches.

A release that holds the patches alone is as small as what changed. Whoever has a version that
a patch starts from gets the file; for everybody else there is a full release.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence

from packaging.version import Version

from sapwood.documents.fields import Fields
from sapwood.errors import InvalidPackage
from sapwood.package.canonical import NOTEBOOK, FileIdentity
from sapwood.package.manifest.policies import Policy, Rules, fault_of_amount
from sapwood.package.manifest.values import entries_in, path_in, sha256_in, version_in

LARGEST = 64 << 30  # bytes of a file that patches lead to, as of a whole package


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The file that patches lead to.

    Attributes:
        sha256: digest of the file's bytes, 64 hexadecimal digits.
        size: bytes of the file.
    """

    sha256: str
    size: int

    @property
    def hash(self) -> str:
        """The file's canonical hash: no text with CRLF can be updated so, nor a notebook."""
        return f"sha256:{self.sha256}"


@dataclasses.dataclass(frozen=True, slots=True)
class WeightsPatch:
    """A Sapwood patch that the package carries for a file of weights.

    Attributes:
        path: path of the file in the package.
        base: the package's version whose file the patch is made from.
        patch: path of the patch in the package; it is not installed.
        target: what the patch leads to; None where the manifest leaves that to the file, which
            the package holds then.
    """

    path: str
    base: Version
    patch: str
    target: Target | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class PatchOnly:
    """A file that a package has only as patches.

    Attributes:
        target: the file that the patches lead to.
        bases: versions of the package that the patches start from.
    """

    target: Target
    bases: tuple[Version, ...]

    def __str__(self) -> str:
        bases = ", ".join(dict.fromkeys(map(str, self.bases)))
        return f"this release has it only as a patch from {bases}"

    def identity(self, recorded: FileIdentity | None) -> FileIdentity:
        """What the file is once it is updated; who may run it stays as it was recorded."""
        return FileIdentity(self.target.hash, recorded is not None and recorded.executable)


def patches_of(table: Fields, rules: Rules) -> tuple[WeightsPatch, ...]:
    """The patches for files of weights that a manifest names, in its order.

    Args:
        table: the manifest.
        rules: what the manifest says of files.

    Raises:
        InvalidPackage: there are too many; a path, a version, a hash or a size is none; patches
            of one file do not agree; or the file is a notebook or has another policy than
            'weights'.
    """
    patches = tuple(map(_patch_of, entries_in(table, "patches")))
    _check_targets(patches, rules, table.where)
    return patches


def _patch_of(table: Fields) -> WeightsPatch:
    """A patch for a file of weights."""
    table.only(("path", "base", "patch", "sha256", "size"))
    path, base = path_in(table, "path"), version_in(table, "base")
    return WeightsPatch(path, base, path_in(table, "patch"), _target_of(table))


def _target_of(table: Fields) -> Target | None:
    """The file that a patch leads to, if the manifest's line names it.

    Raises:
        The table's error: hash or size is none, or only one of the two is given.
    """
    if "sha256" not in table and "size" not in table:
        return None
    target = Target(sha256_in(table), table.size("size"))
    if target.size > LARGEST:
        raise table.fail("size", f"expected at most {LARGEST} bytes, found {target.size}")
    return target


def _check_targets(patches: Sequence[WeightsPatch], rules: Rules, where: str) -> None:
    """Sees to it that patches of one file lead to one file, and that it may come from a patch.

    Args:
        patches: all patches that the manifest names.
        rules: what the manifest says of files.
        where: the name of the manifest, for errors.

    Raises:
        InvalidPackage: they do not agree, the file is a notebook or has another policy, or there
            are too many patterns for so many.
    """
    fault = fault_of_amount(rules, (one.path for one in patches))
    if fault is not None:
        raise InvalidPackage(f"{where}: patches: {fault}")
    known: dict[str, Target | None] = {}
    for patch in patches:
        if known.setdefault(patch.path, patch.target) != patch.target:
            raise InvalidPackage(
                f"{where}: expected patches of {patch.path} to have one sha256 and one size, "
                "found others"
            )
        if patch.target is None:
            continue
        policy = rules.rule(patch.path).policy
        if policy is not Policy.WEIGHTS or patch.path.endswith(NOTEBOOK):
            kind = "a notebook" if policy is Policy.WEIGHTS else f"'{policy}'"
            raise InvalidPackage(
                f"{where}: patches name {patch.path} with its sha256, which is for files with the "
                f"policy 'weights' alone, found {kind}"
            )


def patch_only(patches: Iterable[WeightsPatch], held: Collection[str]) -> dict[str, PatchOnly]:
    """The files that a package has only as patches.

    Args:
        patches: all patches that its manifest names.
        held: paths of all files that it holds.
    """
    bases: dict[tuple[str, Target], list[Version]] = {}
    for patch in patches:
        if patch.target is not None and patch.path not in held:
            bases.setdefault((patch.path, patch.target), []).append(patch.base)
    return {path: PatchOnly(target, tuple(them)) for (path, target), them in bases.items()}
