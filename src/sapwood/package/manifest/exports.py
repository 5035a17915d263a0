"""Exports: which notebooks become which Python modules of the workspace."""

from __future__ import annotations

import dataclasses
import keyword

from sapwood.documents.fields import Fields
from sapwood.documents.paths import folded, portable
from sapwood.package.canonical import NOTEBOOK

MOST_EXPORTS = 1000
PYTHON = ".py"


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """A notebook whose marked cells become a module.

    Attributes:
        notebook: path of it in the workspace.
        to: path of the module in the workspace; the user's, never a file of the package.
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
        The table's error: a path is none of a notebook, or none that Python imports, or a
            notebook or a module is named twice.
    """
    listed = table.optional_objects("exports")
    if len(listed) > MOST_EXPORTS:
        raise table.fail("exports", f"expected at most {MOST_EXPORTS} entries")
    exports: list[Export] = []
    taken: set[str] = set()
    for one in listed:
        one.only(("notebook", "to"))
        export = Export(notebook_in(one), python_in(one))
        for field, path in (("notebook", export.notebook), ("to", export.to)):
            if folded(path) in taken:
                raise one.fail(field, f"{path!r:.120} is in another export too")
            taken.add(folded(path))
        exports.append(export)
    return tuple(exports)


def notebook_in(table: Fields) -> str:
    """The path of a notebook."""
    path = table.text("notebook")
    fault = portable(path)
    if fault or not path.endswith(NOTEBOOK):
        raise table.fail("notebook", f"{path!r:.80}: {fault or f'expected a name in {NOTEBOOK}'}")
    return path


def python_in(table: Fields) -> str:
    """The path of a module that Python can import from the workspace's folder."""
    path = table.text("to")
    fault = portable(path)
    if fault:
        raise table.fail("to", f"{path!r:.80}: {fault}")
    names = path.removesuffix(PYTHON).split("/")
    if not path.endswith(PYTHON) or not all(map(is_importable, names)):
        raise table.fail("to", f"expected a path such as library/part.py, found {path!r:.80}")
    return path


def is_importable(name: str) -> bool:
    """Whether `import` takes a name."""
    return name.isidentifier() and not keyword.iskeyword(name)
