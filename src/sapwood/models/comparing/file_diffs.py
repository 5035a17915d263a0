"""Tells which files of a folder changed."""

from __future__ import annotations

from collections.abc import Iterator

from sapwood.models.making.inputs import Input
from sapwood.models.making.segments import same_bytes
from sapwood.models.results import FileDiff


def file_diffs(base: Input, target: Input) -> Iterator[FileDiff]:
    """The files of two folders by path; none where one of them is no folder."""
    if base.entries is None or target.entries is None:
        return
    old = {entry.path: (entry, part) for entry, part in zip(base.entries, base.parts, strict=True)}
    new = {
        entry.path: (entry, part) for entry, part in zip(target.entries, target.parts, strict=True)
    }
    for path in sorted({**old, **new}):
        if path not in new:
            yield FileDiff(path, "removed", None, old[path][0].size)
        elif path not in old:
            yield FileDiff(path, "added", new[path][0].size, None)
        else:
            (before, its), (after, ours) = old[path], new[path]
            same = before == after and same_bytes(its.content, ours.content)
            yield FileDiff(path, "unchanged" if same else "changed", after.size, before.size)
