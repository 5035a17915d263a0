"""Patches of a tensor between two .npy files.

A patch of a tensor carries elements only. The target's header must be the base's,
byte for byte, for then the whole file comes back; other pairs are patched as files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from sapwood import patch as tensors
from sapwood.cli.npy import NpyFile, elements_in_order, is_npy, read_npy
from sapwood.codec.chunk import Bytes
from sapwood.errors import (
    InvalidModelFile,
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.models import PatchStats, PatchVerification
from sapwood.models.files import Output, atomic_output
from sapwood.patch import Patch
from sapwood.patch.applying import OpenPatch
from sapwood.patch.pipeline import thread_count
from sapwood.tensors.numpy_memory import element_type


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
    *,
    metadata: Mapping[str, Any],
    chunk_size: int,
    threads: int | None,
) -> PatchStats:
    """Writes the patch of a pair. As `sapwood.create_patch`; sizes are those of the files."""
    patch = tensors.create_patch(
        pair.base.array,
        pair.target.array,
        metadata=metadata,
        chunk_size=chunk_size,
        threads=threads,
    )
    with atomic_output(output) as out:
        out.write(patch.to_bytes())
    unchanged = patch.opened.front.header.counts["tensors_unchanged"]
    return PatchStats(
        source_size=pair.base.size,
        target_size=pair.target.size,
        patch_size=len(patch),
        tensors_modified=1 - unchanged,
        tensors_unchanged=unchanged,
    )


def apply_patch(
    base: Bytes,
    patch: Bytes,
    opened: OpenPatch,
    output: Output,
    *,
    force: bool,
    threads: int | None,
) -> int:
    """Writes the target of a patch of a tensor as a .npy file with the base's header.

    Args:
        base: the base's file.
        patch: the patch's file.
        opened: the same, its body not checked yet.
        output: a path or a binary file object.
        force: as of `sapwood.apply_patch`.
        threads: to use at once; by default one for each processor.

    Returns:
        Bytes of the file.

    Raises:
        InvalidModelFile: the base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: the base is of another kind.
        SourceHashMismatch, InvalidPatch, IoError: as `sapwood.models.apply_patch`.
    """
    opened.check_body(thread_count(threads))
    old = read_npy(base)
    target = np.empty_like(old.array)  # in the order of the base
    tensors.apply_patch(old.array, Patch(patch, opened), out=target, force=force, threads=threads)
    with atomic_output(output) as out:
        out.write(old.header)
        out.write(elements_in_order(target))
    return old.size


def verify_patch(
    base: Bytes, patch: Bytes, opened: OpenPatch, *, threads: int | None
) -> PatchVerification:
    """As `sapwood.models.verify_patch`, with BLAKE3 for SHA-256.

    Raises:
        InvalidModelFile: the base is no .npy file.
        DtypeMismatch, ShapeMismatch, UnsupportedType: the base is of another kind.
    """
    expected = opened.front.header.target.blake3
    old = read_npy(base)
    try:
        opened.check_body(thread_count(threads))
        tensors.apply_patch(old.array, Patch(patch, opened), threads=threads)
    except SourceHashMismatch as e:
        return PatchVerification(False, True, None, expected, None, str(e))
    except (InvalidPatch, TargetHashMismatch) as e:
        return PatchVerification(True, False, None, expected, None, str(e))
    return PatchVerification(True, True, None, expected, expected)
