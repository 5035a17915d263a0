"""The layouts of a folder's files; some hold the tensors that others describe.

A data file is any file that is no model by itself. What the models beside it say of it is
checked as if it were its own header: ranges that leave it, or overlap, make it bytes again,
with a warning.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sapwood.documents.paths import within
from sapwood.errors import InvalidModelFile
from sapwood.modelfile import open_model
from sapwood.modelfile.layout import (
    FileBytes,
    ModelFile,
    TensorEntry,
    laid_out,
    plain_bytes,
    shown,
)
from sapwood.modelfile.naming import MOST_TENSORS, Names
from sapwood.modelfile.stand_ins import is_page

SHARD = re.compile(r"-\d{2,}-of-\d{2,}")  # the part of a shard's name that resharding changes

Read = Callable[[str], FileBytes]
"""The bytes of the file of a path, whole, borrowed."""


def open_folder(paths: Sequence[str], read: Read) -> dict[str, ModelFile]:
    """The layout of each file of a folder.

    Args:
        paths: paths of the files from the folder, parts separated by "/".
        read: gives the bytes of a file; may be asked twice for one.

    Returns:
        Layouts by path, each of its file alone. No content raises.
    """
    layouts: dict[str, ModelFile] = {}
    tensors = 0
    for path in paths:
        found = open_model(read(path))
        if found.format == "bytes" and is_page(path):
            found = plain_bytes(found.size)
        tensors += len(found.tensors) + len(found.elsewhere)
        if tensors > MOST_TENSORS:
            found = plain_bytes(found.size, "the folder has too many tensors")
        layouts[path] = found
    claims: dict[str, list[TensorEntry]] = defaultdict(list)
    formats: dict[str, str] = {}
    for path, file in list(layouts.items()):
        own, warning = _claimed(path, file, layouts)
        if warning is not None:
            layouts[path] = dataclasses.replace(file, warning=warning)
        for data, entries in own.items():
            claims[data] += entries
            formats.setdefault(data, file.format)
    for path, entries in claims.items():
        layouts[path] = _with_tensors(layouts[path], formats[path], entries)
    return layouts


def _claimed(
    path: str, file: ModelFile, layouts: Mapping[str, ModelFile]
) -> tuple[dict[str, list[TensorEntry]], str | None]:
    """The tensors that a model says lie in other files, by the path of the file.

    Returns:
        Those tensors and the model's warning; no tensors, and why, where one lies outside of
        the folder or of its file.
    """
    found: dict[str, list[TensorEntry]] = defaultdict(list)
    for one in file.elsewhere:
        data = resolved(path, one.location)
        if data is None:
            return {}, f"{shown(one.location)}: data outside of the folder; taken as bytes"
        if data not in layouts:
            return {}, f"{shown(data)}: the data is not in the folder"
        held = layouts[data]
        if held.format != "bytes" or held.tensors:
            return {}, f"{shown(data)}: expected data of tensors, found {held.format}"
        if one.entry.end > held.size:
            return {}, (
                f"tensor {shown(one.entry.name)} ends at byte {one.entry.end} of {shown(data)}, "
                f"which has {held.size}; taken as bytes"
            )
        found[data].append(one.entry)
    return found, file.warning


def resolved(path: str, location: str | None) -> str | None:
    """The path of a data file, by what a model file calls it.

    Args:
        path: path of the model file.
        location: path from the model file's folder; None for the file of its name with ".bin".

    Returns:
        None where it leads out of that folder, as no format allows.
    """
    folder, _, name = path.rpartition("/")
    if location is None:
        location = f"{name.rpartition('.')[0] or name}.bin"
    below = "/".join(part for part in location.split("/") if part != ".")
    if within(below) is not None:
        return None
    return f"{folder}/{below}" if folder else below


def _with_tensors(file: ModelFile, file_format: str, entries: Sequence[TensorEntry]) -> ModelFile:
    """The layout of a data file that has these tensors; of the same range, the first.

    Args:
        file: the layout of the data file so far.
        file_format: format of the model that it belongs to.
        entries: tensors inside of the data file.
    """
    ranges = {(one.offset, one.end): one for one in reversed(entries)}
    try:
        return laid_out(file_format, file.size, ranges.values())
    except InvalidModelFile as e:
        return plain_bytes(file.size, str(e))


def whole_folder(layouts: Mapping[str, ModelFile]) -> ModelFile:
    """The layout of a folder as the bytes of its files, in their order, end to end.

    Names that several files have get the path of theirs, without the number of a shard: a
    folder that is cut into other shards keeps its names. Skeletons of neighbours are not put
    together.

    Args:
        layouts: the layouts of the files in their order, by path, each of its file alone.
    """
    times = Counter(one.name for file in layouts.values() for one in file.tensors)
    names = Names()
    tensors, skeleton, warnings = [], [], []
    at = 0
    for path, file in layouts.items():
        for one in file.tensors:
            name = one.name if times[one.name] == 1 else f"{SHARD.sub('', path)}:{one.name}"
            own = dataclasses.replace(one, name=names.unique(name), offset=at + one.offset)
            tensors.append(own)
        skeleton += [(at + offset, length) for offset, length in file.skeleton]
        warnings += [f"{path}: {file.warning}"] if file.warning else []
        at += file.size
    return ModelFile(
        _folder_format(layouts.values()),
        at,
        tuple(tensors),
        tuple(skeleton),
        "; ".join(warnings[:8]) or None,
    )


def _folder_format(files: Iterable[ModelFile]) -> str:
    """The format of the files that have tensors, or "folder" where that is not one."""
    formats = {file.format for file in files if file.tensors}
    return formats.pop() if len(formats) == 1 else "folder"
