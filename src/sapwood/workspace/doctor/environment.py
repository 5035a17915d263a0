"""Whether the Python that runs, and what is installed for it, are what the template needs."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Iterator

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from sapwood.workspace.doctor.findings import Finding, Remedy, ok, problem
from sapwood.workspace.doctor.look import Look


def environment_findings(look: Look) -> Iterator[Finding]:
    """What there is to say of Python, and of each package that the template needs."""
    if look.template is None:
        return
    environment = look.template.manifest.environment
    yield python_version(environment.python)
    for requirement in environment.packages:
        if _applies(requirement):
            yield _installed(requirement)


def python_version(wanted: SpecifierSet) -> Finding:
    """Whether this Python is one that the template works with."""
    found = platform.python_version()
    message = f"{found}, {sys.executable}"
    # Python calls what is built from its repository 3.15.0a1+.
    if wanted.contains(Version(found.rstrip("+")), prereleases=True):
        return ok("python", "Python", message)
    remedy = Remedy(f"install a Python {wanted}, and this program for it")
    return problem("python", "Python", f"{message}; expected {wanted}", remedy)


def _applies(requirement: Requirement) -> bool:
    """Whether a requirement is one for this Python and system."""
    try:
        return requirement.marker is None or requirement.marker.evaluate()
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def _installed(requirement: Requirement) -> Finding:
    """Whether a package is installed, in one of the versions that are needed."""
    name = requirement.name
    wanted = f"{name}{requirement.specifier}"
    remedy = Remedy(f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(wanted)}")
    try:
        found = importlib.metadata.version(name)
        fits = requirement.specifier.contains(Version(found), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return problem("package", name, f"not installed; expected {wanted}", remedy)
    except (InvalidVersion, KeyError, TypeError):  # what is left of a broken installation
        return problem("package", name, f"damaged; expected {wanted}", remedy)
    if fits:
        return ok("package", name, found)
    return problem("package", name, f"{found} is installed; expected {wanted}", remedy)
