"""Names of what lies in folders by accident, and is no part of what they were made to hold.

What version control, desktops, editors and downloads keep of themselves, and what Python compiles:
it differs from copy to copy of one and the same thing.
"""

from __future__ import annotations

# The content hash of a package depends on these: with one more, packages that are out would change.
NAMES_IN_PACKAGES = frozenset({"__pycache__", ".git", ".hg", ".svn", ".DS_Store"})
ENDING_IN_PACKAGES = ".pyc"

NAMES = NAMES_IN_PACKAGES | {
    *(".bzr", ".cache", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache"),
    *(".Spotlight-V100", ".Trashes", ".fseventsd", "Thumbs.db", "desktop.ini"),
}
BEGINNINGS = ("._", ".#", ".nfs", ".~lock.")
ENDINGS = (ENDING_IN_PACKAGES, ".swp", ".swo", "~")


def is_litter(path: str) -> bool:
    """Whether something lies in a folder by accident.

    Args:
        path: its path from the folder, parts separated by "/".
    """
    return any(
        name in NAMES or name.startswith(BEGINNINGS) or name.endswith(ENDINGS)
        for name in path.split("/")
    )


def is_litter_in_package(path: str) -> bool:
    """Whether something lies in a package by accident: as `is_litter`, by fewer names."""
    return path.endswith(ENDING_IN_PACKAGES) or not NAMES_IN_PACKAGES.isdisjoint(path.split("/"))
