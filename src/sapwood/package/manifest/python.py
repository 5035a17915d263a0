"""What a workspace has to do with Python: modules made of notebooks, and what they need.

Exports say which notebooks become which modules; the environment says which Python, which
installed packages, and which packages of the workspace's own.
"""

from __future__ import annotations

import dataclasses
import keyword

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sapwood.documents.fields import Fields
from sapwood.documents.paths import folded
from sapwood.package.canonical import NOTEBOOK
from sapwood.package.manifest.values import entries_in, path_in

MOST_EXPORTS = 1000
PYTHON = ".py"
MOST_ENTRIES = 1000  # of the environment: packages, or names to import
MOST_LETTERS = 200  # of a specifier or requirement


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """A notebook whose marked cells become a module.

    Attributes:
        notebook: path of the notebook in the workspace.
        to: path of the module in the workspace, which is the user's and no file of the package.
    """

    notebook: str
    to: str

    def packages(self) -> list[str]:
        """Paths of the `__init__.py` that the folders of the module need, outermost first."""
        folders = self.to.split("/")[:-1]
        return ["/".join([*folders[: i + 1], "__init__.py"]) for i in range(len(folders))]


def exports_of(table: Fields) -> tuple[Export, ...]:
    """The exports that a manifest names.

    Args:
        table: the manifest.

    Raises:
        The table's error: there are too many; a path is none of a notebook, or none that Python
            imports; or a notebook or a module is named twice.
    """
    exports: list[Export] = []
    taken: set[str] = set()
    for one in entries_in(table, "exports", MOST_EXPORTS):
        one.only(("notebook", "to"))
        export = Export(_notebook_in(one), _python_in(one))
        for field, path in (("notebook", export.notebook), ("to", export.to)):
            if folded(path) in taken:
                raise one.fail(field, f"{path!r:.120} is in another export too")
            taken.add(folded(path))
        exports.append(export)
    return tuple(exports)


def _notebook_in(table: Fields) -> str:
    """The path of a notebook."""
    path = path_in(table, "notebook")
    if not path.endswith(NOTEBOOK):
        raise table.fail("notebook", f"{path!r:.80}: expected a name in {NOTEBOOK}")
    return path


def _python_in(table: Fields) -> str:
    """The path of a module that Python can import from the workspace's folder."""
    path = path_in(table, "to")
    names = path.removesuffix(PYTHON).split("/")
    if not path.endswith(PYTHON) or not all(map(_is_importable, names)):
        raise table.fail("to", f"expected a path such as library/part.py, found {path!r:.80}")
    return path


def _is_importable(name: str) -> bool:
    """Whether `import` takes a name."""
    return name.isidentifier() and not keyword.iskeyword(name)


@dataclasses.dataclass(frozen=True, slots=True)
class Environment:
    """What has to be there for a workspace to work.

    Attributes:
        python: versions of Python that the package works with; empty for all.
        packages: distributions that must be installed.
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
        if not _is_importable(name) or len(name) > MOST_LETTERS:
            raise inner.fail("imports", f"expected names of packages, found {name!r:.80}")
    return Environment(
        python=_specifier_in(inner),
        packages=tuple(_requirement_from(inner, one) for one in packages),
        imports=tuple(dict.fromkeys(imports)),
    )


def _specifier_in(table: Fields) -> SpecifierSet:
    """Versions of Python."""
    text = table.optional_text("python") or ""
    try:
        if len(text) > MOST_LETTERS:
            raise InvalidSpecifier("too long")
        return SpecifierSet(text)
    except InvalidSpecifier as e:
        raise table.fail("python", f"expected versions such as >=3.11, found {text!r:.80}") from e


def _requirement_from(table: Fields, text: str) -> Requirement:
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
