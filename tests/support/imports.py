"""What a module imports, read from its code."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def imported_packages(nodes: Iterable[ast.AST]) -> set[str]:
    """The top-level packages that some nodes import; of relative imports an empty name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found
