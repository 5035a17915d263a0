"""Where Python would find a package. Nothing is imported and no code of the user's runs.

The rule is Python's own: of the folders on the path, the first that holds a module or a
package with an `__init__` wins; folders without one count only where no such is found.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path, PurePosixPath

LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
CODE = frozenset({".py", ".so", ".pyd"})  # endings of what can be imported
OWN_FINDERS: tuple[object, ...] = (BuiltinImporter, FrozenImporter, PathFinder)


def find_first(name: str, path: Iterable[str]) -> Path | None:
    """Where a package would come from.

    Args:
        name: name of the package, without dots.
        path: folders and archives, in the order in which they are searched.

    Returns:
        The file, or the folder of a package without `__init__`; None if there is none.
    """
    portion: Path | None = None
    for entry in path:
        spec = _spec_in(entry, name)
        if spec is None:
            continue
        if spec.origin is not None and spec.loader is not None:
            return Path(spec.origin)
        places = list(spec.submodule_search_locations or ())
        if portion is None and places:
            portion = Path(places[0])
    return portion


def _spec_in(entry: str, name: str) -> ModuleSpec | None:
    """What one entry of a path holds of a name."""
    if Path(entry).is_dir():
        # A finder of its own: those that Python keeps do not see what was just written.
        return FileFinder(entry, *LOADERS).find_spec(name)
    return PathFinder.find_spec(name, [entry]) if Path(entry).is_file() else None


def path_elsewhere(root: Path, path: Sequence[str]) -> list[str]:
    """This program's path without what is there for the folder that it was started in.

    Args:
        root: folder of the workspace, with links resolved; it is left out.
        path: folders and archives, as in `sys.path`.
    """
    here = os.path.realpath(".")
    left = []
    for number, entry in enumerate(path):
        resolved = os.path.realpath(entry)
        if entry and resolved != str(root) and not (number == 0 and resolved == here):
            left.append(entry)
    return left


def find_by_hooks(name: str) -> Path | None:
    """Where finders that installed packages added would find it: so editable ones come in."""
    for finder in sys.meta_path:
        if finder in OWN_FINDERS:
            continue
        find_spec = getattr(finder, "find_spec", None)
        spec = None if find_spec is None else find_spec(name, None)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin)
    return None


def is_certain(name: str) -> bool:
    """Whether Python takes a module from itself, whatever lies in its path."""
    return BuiltinImporter.find_spec(name) is not None or FrozenImporter.find_spec(name) is not None


def distributions_of(name: str) -> list[str]:
    """Installed distributions that hold a package."""
    return sorted(set(importlib.metadata.packages_distributions().get(name, ())))


def names_held(distribution: str) -> set[str]:
    """Names that an installed distribution is imported by; none if it is not installed."""
    try:
        record = importlib.metadata.distribution(distribution).read_text("RECORD") or ""
    except importlib.metadata.PackageNotFoundError:
        return set()
    # `files` would look for each of them on disk.
    paths = (PurePosixPath(line.partition(",")[0]) for line in record.splitlines())
    tops = {one.parts[0].partition(".")[0] for one in paths if one.suffix in CODE}
    return {top for top in tops if top.isidentifier()}
