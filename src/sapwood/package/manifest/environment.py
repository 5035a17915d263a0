"""What a workspace needs around it: a Python, installed packages, and packages of its own."""

from __future__ import annotations

import dataclasses

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sapwood.documents.fields import Fields
from sapwood.package.manifest.exports import is_importable

MOST_ENTRIES = 1000
MOST_LETTERS = 200  # of a specifier or requirement


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """What doctor looks at.

    Attributes:
        python: versions of Python that the package works with; empty for all.
        packages: that must be installed.
        imports: names of packages of the workspace: importing them there must give the
            workspace's own.
    """

    python: SpecifierSet = dataclasses.field(default_factory=SpecifierSet)
    packages: tuple[Requirement, ...] = ()
    imports: tuple[str, ...] = ()


def environment_of(table: Fields) -> Environment:
    """What a manifest says of the environment.

    Args:
        table: the manifest.

    Raises:
        The table's error: a specifier, a requirement or a name is none.
    """
    if "environment" not in table:
        return Environment()
    inner = table.object("environment")
    inner.only(("python", "packages", "imports"))
    packages, imports = inner.optional_texts("packages"), inner.optional_texts("imports")
    if len(packages) > MOST_ENTRIES or len(imports) > MOST_ENTRIES:
        raise inner.fail("packages", f"expected at most {MOST_ENTRIES} entries")
    for name in imports:
        if not is_importable(name) or len(name) > MOST_LETTERS:
            raise inner.fail("imports", f"expected names of packages, found {name!r:.80}")
    return Environment(
        python=specifier_in(inner),
        packages=tuple(requirement_from(inner, one) for one in packages),
        imports=tuple(dict.fromkeys(imports)),
    )


def specifier_in(table: Fields) -> SpecifierSet:
    """Versions of Python."""
    text = table.optional_text("python") or ""
    try:
        if len(text) > MOST_LETTERS:
            raise InvalidSpecifier("too long")
        return SpecifierSet(text)
    except InvalidSpecifier as e:
        raise table.fail("python", f"expected versions such as >=3.11, found {text!r:.80}") from e


def requirement_from(table: Fields, text: str) -> Requirement:
    """A package, by name and versions, perhaps with a marker."""
    try:
        if len(text) > MOST_LETTERS:
            raise InvalidRequirement("too long")
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as e:
        raise table.fail("packages", f"expected one such as numpy>=1.26, found {text!r:.80}") from e
    # What is installed does not tell where it came from, nor with which extras.
    if requirement.url is not None or requirement.extras:
        raise table.fail("packages", f"expected no URL and no extras, found {text!r:.80}")
    return requirement
