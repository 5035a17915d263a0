"""Patches of a tensor between two .npy files.

A patch of a tensor carries elements only. The target's header must be the base's,
byte for byte, for then the whole file comes back; other pairs are patched as files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sapwood import patch as tensors
from sapwood.cli.npy import NpyFile, elements_in_order, is_npy, read_npy
from sapwood.content.content import Bytes
from sapwood.errors import (
    DtypeMismatch,
    InputError,
    InvalidModelFile,
    InvalidPatch,
    ShapeMismatch,
    SourceHashMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.paired_outputs import check_reversible, paired_outputs
from sapwood.files.sources import Source, contents_below, read_source, separated
from sapwood.limits import thread_count
from sapwood.models import PatchStats, PatchVerification
from sapwood.models.making.creating import named
from sapwood.patch import Patch
from sapwood.patch.applying.bases import matched
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.patch.format.front import Header
from sapwood.patch.making.building import Builder, Options
from sapwood.patch.tensor import (
    digest_of,
    patch_spec,
    tensor_header,
    tensor_segment,
)
from sapwood.progress import Progress, Stages, silent
from sapwood.tensors import TensorSpec, view
from sapwood.tensors.numpy_memory import element_type, is_little_endian_contiguous

LONGEST_HEADER = 1 << 16  # bytes; of files in folders that are looked through


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TensorFiles:
    """Bases and target as .npy files of one header, with elements that we have a type for."""

    bases: tuple[NpyFile, ...]
    target: NpyFile


def tensor_files(bases: Sequence[Bytes], target: Bytes) -> TensorFiles | str | None:
    """Files as tensors; or why they are patched as files although all are .npy; or None."""
    if not all(map(is_npy, (*bases, target))):
        return None
    try:
        files = TensorFiles(tuple(map(read_npy, bases)), read_npy(target))
        element_type(files.target.array.dtype)
    except (InvalidModelFile, UnsupportedType) as e:
        return f"patched as plain files: {e}"
    new = files.target.array
    for base in files.bases:
        old = base.array
        if old.dtype != new.dtype:
            what = f"the dtypes differ, {old.dtype.str} and {new.dtype.str}"
        elif old.shape != new.shape:
            what = f"the shapes differ, {old.shape} and {new.shape}"
        elif base.header != files.target.header:
            what = "the .npy headers differ"
        else:
            continue
        return f"patched as plain files: {what}"
    return files


def create_patch(
    files: TensorFiles,
    sources: Sequence[Source],
    output: Output,
    options: Options,
    *,
    seal: Callable[[bytes], bytes],
    metadata: Mapping[str, Any],
    reverse: Output | None = None,
    progress: Progress = silent,
) -> PatchStats:
    """Writes the patch that `sapwood.create_patch` makes, through files instead of memory.

    Args:
        files: what it leads from and to.
        sources: the bases, by the names that applying is to ask for, where there are several.
        output: a path or a binary file object.
        options: how to make it.
        seal: as for `Builder.write`.
        metadata: JSON values to keep in the header.
        reverse: where the patch that leads back goes, as of `sapwood.models.create_patch`.
        progress: is told how many bytes of the target are done.

    Returns:
        As of `sapwood.models.create_patch`; sizes are those of the files.

    Raises:
        InputError: `reverse` of several bases, or to where `output` goes.
        IoError: a file cannot be read or written.
    """
    if reverse is not None:
        return create_both(files, (output, reverse), options, seal, metadata, progress)
    olds, new = [view(base.array) for base in files.bases], view(files.target.array)
    builder = Builder([old.data for old in olds], [tensor_segment(olds, new)], options, progress)

    def header() -> Header:
        bases = named([digest_of(old.data, options.threads) for old in olds], sources)
        return tensor_header(new.spec, bases, digest_of(new.data, options.threads), metadata)

    with atomic_output(output) as out, tempfile.TemporaryFile() as spool:
        written = builder.write(header, spool, out, seal)
    return PatchStats(
        source_size=sum(base.size for base in files.bases),
        target_size=files.target.size,
        patch_size=written.size,
        tensors_modified=written.counts["tensors_modified"],
        tensors_unchanged=written.counts["tensors_unchanged"],
    )


def create_both(
    files: TensorFiles,
    outputs: tuple[Output, Output],
    options: Options,
    seal: Callable[[bytes], bytes],
    metadata: Mapping[str, Any],
    progress: Progress,
) -> PatchStats:
    """Writes the patch and the one that leads back, as of `create_patch`.

    Args:
        files: of one base.
        outputs: of both.
        options, seal, metadata: for both.
        progress: is told of both as of one.

    Raises:
        InputError: several bases, or one output.
        IoError: a file cannot be written.
    """
    check_reversible(files.bases)
    (base,) = files.bases
    turned = TensorFiles((files.target,), base)
    stages = Stages(files.target.size + base.size, progress)

    def write(pair: TensorFiles, out: Output) -> PatchStats:
        stage = stages.stage(pair.target.size)
        return create_patch(pair, (), out, options, seal=seal, metadata=metadata, progress=stage)

    with paired_outputs(*outputs) as (out, back):
        stats, led_back = write(files, out), write(turned, back)
    return dataclasses.replace(stats, reverse_size=led_back.patch_size)


def apply_patch(
    sources: Sequence[Source],
    patch: Patch,
    output: Output,
    *,
    force: bool,
    threads: int | None,
    progress: Progress = silent,
) -> int:
    """Writes the target of a patch of a tensor as a .npy file with the first base's header.

    Args:
        sources: the bases' files in any order, or folders to look for them in.
        patch: its body not checked yet.
        output: a path or a binary file object.
        force: as of `sapwood.apply_patch`; then in the patch's order, and no folders.
        threads: to use at once; by default one for each processor.
        progress: is told how many bytes of the target are done.

    Returns:
        Bytes of the file.

    Raises:
        InvalidModelFile: a base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: a base is of another kind.
        InputError: a folder, with force.
        SourceHashMismatch, InvalidPatch, IoError: as `sapwood.models.apply_patch`.
    """
    count = thread_count(threads)
    patch.opened.check_body(count)
    if force:
        olds = forced_bases(sources, patch.opened)
    else:
        olds = matched_files(sources, patch.opened, count)
    first = olds[0]
    with atomic_output(output) as out:
        out.write(first.header)
        if force or not is_little_endian_contiguous(first.array):
            target = np.empty_like(first.array)  # in the order of the base
            arrays = [old.array for old in olds]
            tensors.apply_patch(arrays, patch, out=target, force=force, threads=count)
            out.write(elements_in_order(target))
        else:
            for data in decoded(olds, patch.opened, count, progress):
                out.write(data)
    return first.size


def matched_files(sources: Sequence[Source], opened: OpenPatch, threads: int) -> list[NpyFile]:
    """The bases of a patch, in its order, among files and below folders.

    Raises:
        SourceHashMismatch: one is not there.
        As `fitting_base`, of what is no folder.
    """
    size = patch_spec(opened).nbytes

    def given() -> Iterator[NpyFile]:
        files, folders = separated(sources)
        yield from [fitting_base(read_source(one), opened) for one in files]
        for folder in folders:
            for data in contents_below(folder, lambda one: size < one <= size + LONGEST_HEADER):
                with contextlib.suppress(InvalidModelFile, InputError):
                    yield fitting_base(data, opened)

    return matched(opened, given(), lambda file: view(file.array).data, threads)


def forced_bases(sources: Sequence[Source], opened: OpenPatch) -> list[NpyFile]:
    """Files as they were given, of the patch's dtype and shape.

    Raises:
        InputError: one is a folder, in which nothing could be told.
        As `fitting_base`.
    """
    files, folders = separated(sources)
    if folders:
        raise InputError(
            f"{folders[0]}: a folder, in which --force cannot tell the base; name the file"
        )
    return [fitting_base(read_source(one), opened) for one in files]


def fitting_base(base: Bytes, opened: OpenPatch) -> NpyFile:
    """The base's array, if its dtype and shape are those of the patch.

    Raises:
        InvalidModelFile: it is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: it does not fit.
    """
    file = read_npy(base)
    found = TensorSpec(element_type(file.array.dtype), file.array.shape)
    expected = patch_spec(opened)
    if found != expected:
        kind = ShapeMismatch if found.dtype is expected.dtype else DtypeMismatch
        raise kind(
            f"wrong base: expected an array of {expected.dtype} {expected.shape}, found "
            f"{found.dtype} {found.shape}; apply the patch to the base that it was made from"
        )
    return file


def decoded(
    bases: Sequence[NpyFile], opened: OpenPatch, threads: int, progress: Progress
) -> Iterator[memoryview]:
    """The elements of the target in C order, little-endian; each part is gone with the next.

    Args:
        bases: of the patch, in its order.

    Raises:
        InvalidPatch, TargetHashMismatch: as `decode_chunks`.
    """
    olds = [view(base.array).data for base in bases]
    buffers = Buffers()
    for chunk in decode_chunks(opened, olds, buffers.place, threads, progress=progress):
        yield chunk.data.data
        buffers.give_back(chunk.data)


def verify_patch(
    sources: Sequence[Source],
    patch: Patch,
    *,
    threads: int | None,
    progress: Progress = silent,
) -> PatchVerification:
    """As `sapwood.models.verify_patch`, with BLAKE3 for SHA-256.

    Raises:
        InvalidModelFile: a base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: a base is of another kind.
    """
    count = thread_count(threads)
    expected = patch.opened.front.header.target.blake3
    try:
        patch.opened.check_body(count)
        olds = matched_files(sources, patch.opened, count)
        for _ in decoded(olds, patch.opened, count, progress):
            pass
    except SourceHashMismatch as e:
        return PatchVerification(False, True, None, expected, None, str(e))
    except (InvalidPatch, TargetHashMismatch) as e:
        return PatchVerification(True, False, None, expected, None, str(e))
    return PatchVerification(True, True, None, expected, expected)
