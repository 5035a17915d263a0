"""Patches of a tensor between two .npy files.

A patch of a tensor carries elements only. The target's header must be the base's,
byte for byte, for then the whole file comes back; other pairs are patched as files.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sapwood import patch as tensors
from sapwood.cli.npy import NpyFile, elements_in_order, is_npy, read_npy
from sapwood.codec.chunk import Bytes
from sapwood.errors import (
    DtypeMismatch,
    InvalidModelFile,
    InvalidPatch,
    ShapeMismatch,
    SourceHashMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.models import PatchStats, PatchVerification
from sapwood.models.files import Output, atomic_output
from sapwood.models.patching import Buffers
from sapwood.patch import Patch
from sapwood.patch.applying import OpenPatch, decode_chunks, matched_bases
from sapwood.patch.building import Builder, Options, Progress, silent
from sapwood.patch.format import Header
from sapwood.patch.pipeline import thread_count
from sapwood.patch.tensor import (
    digest_of,
    patch_spec,
    tensor_header,
    tensor_segment,
)
from sapwood.tensors import TensorSpec, view
from sapwood.tensors.numpy_memory import element_type, is_little_endian_contiguous


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two .npy files of one header, with elements that we have a type for."""

    base: NpyFile
    target: NpyFile


def pair_of(base: Bytes, target: Bytes) -> Pair | str | None:
    """Two files as tensors; or why they are patched as files although both are .npy; or None."""
    if not (is_npy(base) and is_npy(target)):
        return None
    try:
        pair = Pair(read_npy(base), read_npy(target))
        element_type(pair.base.array.dtype)
    except (InvalidModelFile, UnsupportedType) as e:
        return f"patched as plain files: {e}"
    old, new = pair.base.array, pair.target.array
    if old.dtype != new.dtype:
        return f"patched as plain files: the dtypes differ, {old.dtype.str} and {new.dtype.str}"
    if old.shape != new.shape:
        return f"patched as plain files: the shapes differ, {old.shape} and {new.shape}"
    if pair.base.header != pair.target.header:
        return "patched as plain files: the .npy headers differ"
    return pair


def create_patch(
    pair: Pair,
    output: Output,
    level: int,
    *,
    metadata: Mapping[str, Any],
    chunk_size: int,
    threads: int | None,
    progress: Progress = silent,
) -> PatchStats:
    """Writes the patch that `sapwood.create_patch` makes, through files instead of memory.

    Args:
        pair: what it leads from and to.
        output: a path or a binary file object.
        level: of zstd, 1 to 19.
        metadata: JSON values to keep in the header.
        chunk_size: bytes of target that are coded alone.
        threads: to use at once; by default one for each processor.
        progress: is told how many bytes of the target are done.

    Returns:
        As of `sapwood.models.create_patch`; sizes are those of the files.

    Raises:
        IoError: a file cannot be read or written.
    """
    count = thread_count(threads)
    old, new = view(pair.base.array), view(pair.target.array)
    options = Options(chunk_size=chunk_size, level=level, threads=count)
    builder = Builder([old.data], [tensor_segment([old], new)], options, progress)

    def header() -> Header:
        base, target = digest_of(old.data, count), digest_of(new.data, count)
        return tensor_header(new.spec, [base], target, metadata)

    with atomic_output(output) as out, tempfile.TemporaryFile() as spool:
        written = builder.write(header, spool, out)
    return PatchStats(
        source_size=pair.base.size,
        target_size=pair.target.size,
        patch_size=written.size,
        tensors_modified=written.counts["tensors_modified"],
        tensors_unchanged=written.counts["tensors_unchanged"],
    )


def apply_patch(
    base: Bytes,
    patch: Patch,
    output: Output,
    *,
    force: bool,
    threads: int | None,
    progress: Progress = silent,
) -> int:
    """Writes the target of a patch of a tensor as a .npy file with the base's header.

    Args:
        base: the base's file.
        patch: its body not checked yet.
        output: a path or a binary file object.
        force: as of `sapwood.apply_patch`.
        threads: to use at once; by default one for each processor.
        progress: is told how many bytes of the target are done.

    Returns:
        Bytes of the file.

    Raises:
        InvalidModelFile: the base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: the base is of another kind.
        SourceHashMismatch, InvalidPatch, IoError: as `sapwood.models.apply_patch`.
    """
    count = thread_count(threads)
    patch.opened.check_body(count)
    old = fitting_base(base, patch.opened)
    with atomic_output(output) as out:
        out.write(old.header)
        if force or not is_little_endian_contiguous(old.array):
            target = np.empty_like(old.array)  # in the order of the base
            tensors.apply_patch(old.array, patch, out=target, force=force, threads=count)
            out.write(elements_in_order(target))
        else:
            for data in decoded(old, patch.opened, count, progress):
                out.write(data)
    return old.size


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
    base: NpyFile, opened: OpenPatch, threads: int, progress: Progress
) -> Iterator[memoryview]:
    """The elements of the target in C order, little-endian; each part is gone with the next.

    Raises:
        SourceHashMismatch: wrong base.
        InvalidPatch, TargetHashMismatch: as `decode_chunks`.
    """
    old = view(base.array)
    bases = matched_bases(opened, [old.data], threads)
    buffers = Buffers()
    for chunk in decode_chunks(opened, bases, buffers.place, threads, progress=progress):
        yield chunk.data.data
        buffers.give_back(chunk.data)


def verify_patch(
    base: Bytes, patch: Patch, *, threads: int | None, progress: Progress = silent
) -> PatchVerification:
    """As `sapwood.models.verify_patch`, with BLAKE3 for SHA-256.

    Raises:
        InvalidModelFile: the base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: the base is of another kind.
    """
    count = thread_count(threads)
    expected = patch.opened.front.header.target.blake3
    old = fitting_base(base, patch.opened)
    try:
        patch.opened.check_body(count)
        for _ in decoded(old, patch.opened, count, progress):
            pass
    except SourceHashMismatch as e:
        return PatchVerification(False, True, None, expected, None, str(e))
    except (InvalidPatch, TargetHashMismatch) as e:
        return PatchVerification(True, False, None, expected, None, str(e))
    return PatchVerification(True, True, None, expected, expected)
