"""Which packages Python finds where the user works, and what stands in their way.

The rule: where Python starts in the workspace's folder, the workspace's own package wins. An
installed one of the same name would win everywhere else, so there must be none.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from sapwood.files.paths import is_folder
from sapwood.workspace.doctor.findings import TEMPLATE, UPDATE, Finding, Remedy, noted, ok, problem
from sapwood.workspace.doctor.importing import (
    distributions_of,
    find_by_hooks,
    find_first,
    is_certain,
    names_held,
    path_elsewhere,
)
from sapwood.workspace.doctor.look import Look

# In the standard library, and imported by nobody: names that people do give to files.
HARMLESS = frozenset({"test", "this", "antigravity", "idlelib", "turtledemo"})
RUNS = (".py", ".ipynb")  # files in whose folder Python starts
MOST_FOLDERS = 1000


def own_packages(look: Look) -> Iterator[Finding]:
    """The packages that have to be the workspace's own."""
    if look.template is not None:
        for name in look.template.manifest.environment.imports:
            yield _own_package(look, name)


def _own_package(look: Look, name: str) -> Finding:
    """Which package of a name is imported: it has to be the workspace's."""
    root = look.places.root
    elsewhere = path_elsewhere(root, sys.path)
    used = find_first(name, [str(root), *elsewhere])
    installed = find_by_hooks(name) or find_first(name, elsewhere)
    first = find_by_hooks(name) or find_first(name, [one or "." for one in sys.path])
    # A folder without `__init__` loses against the workspace's package everywhere.
    if installed is not None and (used is None or used.is_dir() or not installed.is_dir()):
        here = "nothing" if used is None else _shown(root, used)
        message = (
            f"another one is installed: {installed}; where Python starts in the workspace, "
            f"{here} is imported, by this program {_shown(root, first or installed)}"
        )
        return problem("import", name, message, _uninstalling(name))
    if used is None:
        return noted("import", name, "not in the workspace yet", _making(look, name))
    if used.is_dir():
        message = (
            f"{_shown(root, used)}/ has no __init__.py: an installed package would win over it"
        )
        return noted("import", name, message, _making(look, name))
    return ok("import", name, f"{_shown(root, used)} is imported where Python starts here")


def _shown(root: Path, found: Path) -> str:
    """A file for people: in the workspace, from there."""
    resolved = Path(os.path.realpath(found))
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(found)


def _uninstalling(name: str) -> Remedy:
    """How to be rid of an installed package."""
    distributions = distributions_of(name)
    if not distributions:
        return Remedy("remove it or rename it")
    names = " ".join(map(shlex.quote, distributions))
    return Remedy(f"{shlex.quote(sys.executable)} -m pip uninstall {names}")


def _making(look: Look, name: str) -> Remedy:
    """How a package of the workspace comes into being."""
    exports = () if look.template is None else look.template.manifest.exports
    if any(one.to.split("/")[0].removesuffix(".py") == name for one in exports):
        return Remedy(command=("module", "export", TEMPLATE, "--all"))
    return UPDATE


def shadows(look: Look) -> Iterator[Finding]:
    """Files and folders of the user's that Python takes for others that programs need."""
    needed = _needed_names(look)
    for folder in _folders_of(look):
        for name in sorted(_names_in(look.places.root / folder) & needed.keys()):
            found = find_first(name, [str(look.places.root / folder)])
            # A folder without `__init__` stands in nobody's way.
            if found is None or found.is_dir() or is_certain(name):
                continue
            path = _shown(look.places.root, found)
            message = f"is imported as {name}, in place of {needed[name]}"
            yield problem("shadow", path, message, Remedy("rename it"))


def _needed_names(look: Look) -> dict[str, str]:
    """What must not be shadowed, and whose each name is."""
    names = dict.fromkeys(sys.stdlib_module_names - HARMLESS, "Python's own")
    packages = () if look.template is None else look.template.manifest.environment.packages
    for requirement in packages:
        own = canonicalize_name(requirement.name).replace("-", "_")
        for name in {own, *names_held(requirement.name)}:
            names.setdefault(name, f"the package {requirement.name}")
    return names


def _folders_of(look: Look) -> list[str]:
    """The root, and folders of the workspace with notebooks and scripts, packages left out."""
    paths: set[str] = set()
    if look.record is not None:
        paths |= look.record.files.keys()
    if look.template is not None:
        paths |= look.template.files.keys()
    folders = {"", *(path.rpartition("/")[0] for path in paths if path.endswith(RUNS))}
    root = look.places.root
    there = (one for one in sorted(folders) if _is_reached(root, one))
    return [one for _, one in zip(range(MOST_FOLDERS), there, strict=False)]


def _is_reached(root: Path, folder: str) -> bool:
    """Whether Python may start in a folder: it is one, and no package."""
    if not folder:
        return True
    return is_folder(root / folder) and not (root / folder / "__init__.py").exists()


def _names_in(folder: Path) -> set[str]:
    """Names that something in a folder could be imported by."""
    return {one.name.partition(".")[0] for one in folder.iterdir()}
