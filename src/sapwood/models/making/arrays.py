"""What of .npy files keeps a patch between them from being small, to be told to who makes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sapwood.modelfile import npy
from sapwood.modelfile.layout import shown
from sapwood.models.making.inputs import Input
from sapwood.tensors import DType

REMEDY = "little-endian arrays of one dtype, shape and order may have a smaller patch"


def unlike_arrays(bases: Sequence[Input], target: Input) -> Iterator[str]:
    """A line for each base whose array is of another kind than the target's, or for its byte order.

    Nothing is said of files that are not .npy.

    Args:
        bases: the versions that a patch leads from.
        target: the version that it leads to.
    """
    new = _header(target)
    if new is None:
        return
    if new.dtype is not None and new.spec.dtype is DType.BYTES:
        yield f"big-endian elements, {shown(new.descr)}, are patched as bytes; {REMEDY}"
        return
    for base in bases:
        old = _header(base)
        difference = None if old is None else _difference(old, new)
        if difference is not None:
            yield f"{difference}; {REMEDY}"


def _header(version: Input) -> npy.NpyHeader | None:
    """The header of a .npy file; None of a folder, or a file of another format."""
    if version.entries is not None or version.file.format != npy.FORMAT.name:
        return None
    content = version.content
    return npy.read_header(content[0 : len(content)].data)


def _difference(old: npy.NpyHeader, new: npy.NpyHeader) -> str | None:
    """The first of what differs between the arrays of a base and of the target, in words."""
    if old.descr != new.descr:
        return f"the dtypes differ, {shown(old.descr)} and {shown(new.descr)}"
    if old.shape != new.shape:
        return f"the shapes differ, {shown(old.shape)} and {shown(new.shape)}"
    if old.fortran != new.fortran:
        return f"the orders differ, {_order(old)} and {_order(new)}"
    return None


def _order(header: npy.NpyHeader) -> str:
    """How the elements lie, in a word."""
    return "Fortran" if header.fortran else "C"
