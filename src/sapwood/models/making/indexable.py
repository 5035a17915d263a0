"""Versions that have more tensors than the index of a patch may list: they are taken as bytes.

Each tensor with an entry of its own takes memory of whoever opens the patch, and four times as
much of whoever makes it, however small it is.
"""

from __future__ import annotations

import dataclasses

from sapwood.modelfile import ModelFile, TensorEntry
from sapwood.modelfile.folder import whole_folder
from sapwood.modelfile.layout import plain_bytes
from sapwood.models.making.inputs import Input

ENTRY = 2048  # bytes that an entry of the index takes in memory, with those of its chunks
WIDE = 12  # bytes of a letter that is not ASCII


def indexable(version: Input, most: int) -> Input:
    """A version of which the files whose tensors an index cannot list have none.

    Args:
        version: the version that a patch is to lead to.
        most: bytes of memory that the index may take.

    Returns:
        The version, with a warning where a file is taken as bytes.
    """
    left = most
    parts = []
    for part in version.parts:
        weight = sum(map(_weight, part.file.tensors)) + ENTRY * len(part.file.skeleton)
        if part.file.tensors and weight > left:
            parts.append(dataclasses.replace(part, file=_as_bytes(part.file, weight, most)))
        else:
            parts.append(part)
            left -= weight if part.file.tensors else 0
    if all(new is old for new, old in zip(parts, version.parts, strict=True)):
        return version
    files = {part.path: part.file for part in parts}
    whole = parts[0].file if version.entries is None else whole_folder(files)
    return dataclasses.replace(version, file=whole, parts=tuple(parts))


def _weight(entry: TensorEntry) -> int:
    """Bytes of memory that a tensor takes in an index."""
    return ENTRY + len(entry.name) * (1 if entry.name.isascii() else WIDE)


def _as_bytes(file: ModelFile, weight: int, most: int) -> ModelFile:
    """A file without its tensors, and why."""
    return plain_bytes(
        file.size,
        f"an index of its {len(file.tensors)} tensors would take about {weight} bytes of memory, "
        f"{most} are allowed",
    )
