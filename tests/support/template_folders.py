"""Templates and workspaces for tests, written out as what their files hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

POLICIES = """
[[policies]]
pattern = "tests/**"
policy = "update"
deleted = "restore"

[[policies]]
pattern = "milestones/**"
policy = "update"

[[policies]]
pattern = "modules/**"
policy = "protect"

[[policies]]
pattern = "once/**"
policy = "once"

[[policies]]
pattern = "generated/**"
policy = "generated"

[[policies]]
pattern = "weights/**"
policy = "weights"
"""


class Clock:
    """A clock that goes on a second each time it is looked at."""

    def __init__(self, start: str = "2025-01-15T10:30:00+00:00") -> None:
        self.now = datetime.fromisoformat(start).astimezone(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files below a folder, byte for byte."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_template(
    folder: Path,
    version: str,
    files: Mapping[str, str | bytes],
    *,
    more: str = "",
    executable: Sequence[str] = (),
    name: str = "course",
) -> Path:
    """Writes a template whose folders are named for their policies."""
    manifest = f'schema = 1\nname = "{name}"\nversion = "{version}"\n{POLICIES}{more}'
    write_files(folder, {**files, "sapwood-template.toml": manifest})
    for path in executable:
        (folder / path).chmod(0o755)
    return folder


def user_files(root: Path) -> dict[str, bytes]:
    """All files of a workspace but its own, by path."""
    found = {}
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.is_file() and not path.startswith(".course/"):
            found[path] = file.read_bytes()
    return found


def own_files(root: Path, folder: str) -> dict[str, bytes]:
    """The files below a folder of the workspace's own, by path from there."""
    top = root / ".course" / folder
    files = (one for one in sorted(top.rglob("*")) if one.is_file())
    return {one.relative_to(top).as_posix(): one.read_bytes() for one in files}


def notebook(*sources: str, outputs: bool = False, **metadata: object) -> bytes:
    """A notebook of code cells."""
    cells: list[object] = [
        {
            "cell_type": "code",
            "execution_count": 7 if outputs else None,
            "id": f"{'run' if outputs else 'new'}-{number}",
            "metadata": {},
            "outputs": [{"output_type": "stream", "text": ["done"]}] if outputs else [],
            "source": source.splitlines(keepends=True),
        }
        for number, source in enumerate(sources)
    ]
    book = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1).encode()
