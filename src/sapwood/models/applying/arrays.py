"""Patches of a tensor, applied to .npy files.

Such a patch, which `sapwood.create_patch` makes from arrays, says nothing of files. It is
applied to a .npy file of the base's elements, in whatever order and byte order they lie there;
the target gets the header of the first base, byte for byte, and its elements lie likewise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from sapwood.content.content import Bytes
from sapwood.content.digests import blake3_digest
from sapwood.errors import (
    DtypeMismatch,
    InputError,
    InvalidModelFile,
    InvalidPatch,
    LimitExceeded,
    ShapeMismatch,
    TargetHashMismatch,
    UnsupportedType,
)
from sapwood.files.holes import SparseWriter
from sapwood.files.sources import Source, contents_below, read_source, separated
from sapwood.files.writing import write_all
from sapwood.modelfile import npy
from sapwood.modelfile.layout import shown
from sapwood.modelfile.stand_ins import stand_in
from sapwood.models.receiving.memory import LEAST, fitting_threads
from sapwood.models.receiving.receiving import Receiving
from sapwood.patch.applying.bases import check_forced, matched
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.progress import Progress
from sapwood.tensors import DType
from sapwood.tensors.numpy_memory import (
    element_type,
    is_little_endian_contiguous,
    little_endian_bytes,
    word_type,
    write_words,
)

MOST_BEFORE = npy.LONGEST_HEADER + 12  # bytes before the elements of a file


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ArrayFile:
    """A .npy file whose elements fit a patch of a tensor.

    Attributes:
        header: the bytes before the elements, borrowed.
        words: the elements as unsigned words of their width, in the array's shape, order and
            byte order: the file's memory, borrowed, read-only.
    """

    header: Bytes
    words: npt.NDArray[Any]

    @property
    def size(self) -> int:
        """Bytes of the file, and of the target that it becomes."""
        return len(self.header) + self.words.nbytes

    @property
    def straight(self) -> bool:
        """Whether the elements lie as a patch has them: in C order, little-endian."""
        return is_little_endian_contiguous(self.words)

    def elements(self) -> Bytes:
        """The elements as a patch has them: over the file's memory if straight, else a copy."""
        return little_endian_bytes(self.words)

    def turned(self, elements: Bytes) -> memoryview:
        """Elements of another array as this file has its own.

        Args:
            elements: elements of as many bytes as this file's, in C order, little-endian.
        """
        words = np.empty_like(self.words)
        write_words(words, elements)
        order: Any = "C" if words.flags.c_contiguous else "F"
        return words.reshape(-1, order=order).view(np.uint8).data


def matched_arrays(
    opened: OpenPatch, sources: Sequence[Source], threads: int, memory: int | None
) -> list[ArrayFile]:
    """The bases of a patch of a tensor, in its order, among files and below folders.

    Args:
        opened: the patch, opened.
        sources: files in any order, and folders to look for them in.
        threads: how many threads hash at once.
        memory: bytes that applying may take, or None for any number.

    Raises:
        SourceHashMismatch: one is not there.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType: a source is no .npy
            file, or one of other elements. Files below folders are passed over then.
        LimitExceeded: the elements have to be turned, for which there is too little memory.
        IoError: a source cannot be read.
    """
    files, folders = separated(sources)
    size = opened.front.tensor.nbytes

    def given() -> Iterator[ArrayFile]:
        yield from [_fitting(read_source(one), opened, memory) for one in files]
        for folder in folders:
            for data in contents_below(folder, lambda one: size < one <= size + MOST_BEFORE):
                with contextlib.suppress(InvalidModelFile, InputError):
                    yield _fitting(data, opened, memory)

    return matched(opened, given(), ArrayFile.elements, threads)


def forced_arrays(
    opened: OpenPatch, sources: Sequence[Source], memory: int | None
) -> list[ArrayFile]:
    """Files as they are given, taken for the bases of a patch of a tensor in its order.

    Args:
        opened, sources, memory: as of `matched_arrays`, but for folders.

    Raises:
        InputError: a folder, in which the bases could not be told; too few files, or too many.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType, LimitExceeded, IoError:
            as `matched_arrays`.
    """
    files, folders = separated(sources)
    if folders:
        raise InputError(
            f"{folders[0]}: a folder, in which the base cannot be told by force; name the file"
        )
    expected = len(opened.front.header.bases)
    if len(files) != expected:
        raise InputError(
            f"expected {expected} bases in the patch's order, found {len(files)}; without "
            "force, any order will do"
        )
    return [_fitting(read_source(one), opened, memory) for one in files]


def are_bases(opened: OpenPatch, arrays: Sequence[ArrayFile], threads: int) -> bool:
    """Whether arrays are those that the patch was made from, in its order."""
    return all(
        blake3_digest(one.elements(), threads) == base.blake3
        for one, base in zip(arrays, opened.front.header.bases, strict=True)
    )


def array_threads(opened: OpenPatch, arrays: Sequence[ArrayFile], receiving: Receiving) -> int:
    """As many threads as have room beside the elements that have to be turned.

    Raises:
        LimitExceeded: there is not enough for one.
    """
    memory = receiving.memory
    if memory is not None and not all(one.straight for one in arrays):
        memory -= _turning(opened)
    return fitting_threads(opened, memory, receiving.most_threads)


def write_array(
    opened: OpenPatch,
    arrays: Sequence[ArrayFile],
    threads: int,
    out: IO[bytes] | None,
    progress: Progress,
    *,
    checked: bool = True,
) -> bytes:
    """Writes the target of a patch of a tensor as a .npy file, or nothing.

    Args:
        opened: the patch, opened.
        arrays: the bases in its order.
        threads: how many threads decode at once.
        out: where the file goes, or None to decode it only.
        progress: is told how many bytes of the elements are done.
        checked: compare the digests of what is decoded.

    Returns:
        The BLAKE3 of the elements in C order, little-endian.

    Raises:
        InvalidPatch: a payload is damaged.
        TargetHashMismatch: the elements came out differently.
        SourceHashMismatch: unchecked arrays, against which nothing can be decoded.
        OSError: from `out`.
    """
    first = arrays[0]
    if out is None or first.straight:
        if out is not None:
            write_all(out, first.header.data)
        return _write_elements(opened, arrays, threads, out, progress, checked=checked)
    whole = io.BytesIO()
    actual = _write_elements(opened, arrays, threads, whole, progress, checked=checked)
    write_all(out, first.header.data)
    write_all(out, first.turned(np.frombuffer(whole.getbuffer(), np.uint8)))
    return actual


def _write_elements(
    opened: OpenPatch,
    arrays: Sequence[ArrayFile],
    threads: int,
    out: IO[bytes] | None,
    progress: Progress,
    *,
    checked: bool,
) -> bytes:
    """Decodes the elements of the target into a file, or into nothing; else as `write_array`."""
    bases = [one.elements() for one in arrays]
    buffers = Buffers()
    hasher = blake3(max_threads=threads)
    writer = None if out is None else SparseWriter(out)
    try:
        for chunk in decode_chunks(
            opened, bases, buffers.place, threads, checked=checked, progress=progress
        ):
            hasher.update(chunk.data.data)
            if writer is not None:
                writer.write(chunk.data)
            buffers.give_back(chunk.data)
    except InvalidPatch:
        if not checked:  # then a wrong base, against which nothing can be decoded, is the cause
            check_forced(opened, bases, threads)
        raise
    if writer is not None:
        writer.finish()
    expected, actual = opened.front.header.target.blake3, hasher.digest()
    if checked and actual != expected:
        raise TargetHashMismatch(
            f"wrong result: expected BLAKE3 {expected.hex()}, found {actual.hex()}; "
            "the output was discarded"
        )
    return actual


def _fitting(file: Bytes, opened: OpenPatch, memory: int | None) -> ArrayFile:
    """A base's file, if its array is one that the patch can be applied to.

    Raises:
        InvalidModelFile: it is no .npy file, or one with more than the array.
        DtypeMismatch, ShapeMismatch, UnsupportedType: its array is of another kind.
        LimitExceeded: the elements have to be turned, for which there is too little memory.
    """
    header = _header(file)
    dtype, expected = _element_type(header), opened.front.tensor
    if (dtype, header.shape) != (expected.dtype, expected.shape):
        kind = ShapeMismatch if dtype is expected.dtype else DtypeMismatch
        raise kind(
            f"wrong base: expected an array of {expected.dtype} {expected.shape}, found "
            f"{dtype} {shown(header.shape)}; apply the patch to the base that it was made from"
        )
    if len(file) != header.start + expected.nbytes:
        raise InvalidModelFile(
            f"expected a .npy file of {header.start + expected.nbytes} bytes, found {len(file)}; "
            "write it anew"
        )
    words = word_type(dtype.size, "<" if header.dtype is None else header.dtype.byteorder)
    order: Any = "F" if header.fortran else "C"
    array = np.ndarray(header.shape, words, file.data, header.start, order=order)
    found = ArrayFile(file[: header.start], array)
    if memory is not None and not found.straight and memory - _turning(opened) < LEAST:
        raise LimitExceeded(
            "an array in Fortran order, or of another byte order, is turned in memory: expected "
            f"{_turning(opened) + LEAST} bytes at least, {memory} are allowed; allow more memory"
        )
    return found


def _header(file: Bytes) -> npy.NpyHeader:
    """The header of a .npy file.

    Raises:
        InvalidModelFile: it is none.
    """
    if file[: len(npy.MAGIC)].tobytes() != npy.MAGIC:
        found = stand_in(file.data) or f"one that begins with {file[:8].tobytes()!r}"
        raise InvalidModelFile(
            f"expected a .npy file, found {found}; the patch is of a tensor: its base is a .npy "
            "file, or an array for sapwood.apply_patch"
        )
    return npy.read_header(file.data)


def _element_type(header: npy.NpyHeader) -> DType:
    """The type of the elements of an array, whatever their byte order.

    Raises:
        UnsupportedType: a patch of a tensor has no such.
    """
    if header.dtype is not None:
        return element_type(header.dtype)
    if header.spec.dtype is DType.BF16:
        return DType.BF16
    raise UnsupportedType(
        f"expected a .npy file of single numbers, found {shown(header.descr)}; "
        "the patch is of a tensor, and its base such a file"
    )


def _turning(opened: OpenPatch) -> int:
    """Bytes that elements take at most where they lie otherwise than a patch has them.

    Those of each base, of the target as it is decoded, and of the target as it is written.
    """
    return (len(opened.front.header.bases) + 2) * opened.front.tensor.nbytes
