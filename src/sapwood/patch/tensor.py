"""Patches between two tensors: create, apply, inspect, serialise."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from sapwood.codec.chunk import ELSEWHERE
from sapwood.content.content import Bytes
from sapwood.content.digests import blake3_digest
from sapwood.documents.canonical_json import plain
from sapwood.errors import (
    DtypeMismatch,
    InputError,
    InvalidPatch,
    ShapeMismatch,
    TargetHashMismatch,
    TruncatedPatch,
)
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.patch.applying.bases import check_forced, matched_bases
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch, open_patch
from sapwood.patch.format.copies import Copy
from sapwood.patch.format.file_lists import files_fields
from sapwood.patch.format.front import MOST_BASES, PREAMBLE, VERSION, FileDigest, Header
from sapwood.patch.format.parsing import parse_front, parse_header, parse_preamble
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.format.version import WRITER
from sapwood.patch.making.building import DEFAULT_CHUNK, Builder, Options
from sapwood.patch.making.matching import find_copies
from sapwood.patch.making.segments import SegmentSource
from sapwood.tensors import (
    DType,
    TensorSpec,
    TensorView,
    converted,
    copy_into,
    restore,
    view,
    writable,
)

ALGORITHMS = ("delta",)


class Patch:
    """A patch between two tensors, as immutable bytes that were checked once.

    Make one with `create_patch` or `Patch.from_bytes`.
    """

    __slots__ = ("_data", "_opened")

    def __init__(self, data: Bytes, opened: OpenPatch) -> None:
        """Takes the bytes of a patch and what `open_patch` made of them; use `from_bytes`."""
        self._data = data
        self._opened = opened

    @classmethod
    def from_bytes(
        cls, data: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS
    ) -> Self:
        """Reads a patch and checks every digest in it.

        Args:
            data: the whole patch; `bytes` are kept as they are, other buffers copied.
            limits: how much memory it may take, whatever it claims.

        Raises:
            InvalidPatch: damaged; TruncatedPatch: cut off; UnsupportedPatch: of a later
                version; LimitExceeded: header, index or chunks larger than the limits.
            InputError: `data` is no buffer.
        """
        array = patch_array(data)
        opened = open_patch(array, limits)
        opened.check_body()
        return cls(array, opened)

    def to_bytes(self) -> bytes:
        """The patch file. `from_bytes` gives an equal patch back."""
        return self._data.tobytes()

    @property
    def opened(self) -> OpenPatch:
        """The parsed patch."""
        return self._opened

    @property
    def version(self) -> str:
        """The format: `ttpatch/v1`."""
        return VERSION

    @property
    def metadata(self) -> dict[str, Any]:
        """What `create_patch` was given, as JSON values. A copy."""
        return plain(self._opened.front.header.metadata)

    def inspect(self) -> dict[str, Any]:
        """What `inspect_patch` tells of the same bytes."""
        return inspect_patch(self.to_bytes())

    def __len__(self) -> int:
        """Bytes of the patch file."""
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same bytes."""
        return isinstance(other, Patch) and np.array_equal(self._data, other._data)

    def __hash__(self) -> int:
        """By the digest that names the patch."""
        return hash(self._opened.front.digest)

    def __repr__(self) -> str:
        """Type, shape and size."""
        header = self._opened.front.header
        return f"<Patch {header.dtype}{list(header.shape)}, {len(self._data)} bytes>"


def create_patch(
    base: object,
    target: object,
    *,
    algorithm: str = "delta",
    compress: bool = True,
    metadata: Mapping[str, Any] | None = None,
    chunk_size: int = DEFAULT_CHUNK,
    threads: int | None = None,
    convert: bool = False,
    low_rank: bool = True,
) -> Patch:
    """Makes the patch that turns `base` into `target`, bit for bit.

    Args:
        base: a NumPy array of any layout and byte order, a PyTorch tensor on any device
            (others than the CPU's are copied to host memory first), or anything with
            DLPack or the buffer protocol. Only read; an array that is contiguous and
            little-endian, memory-mapped ones too, is not copied. Or a list of several
            such tensors, for a target that was merged from them: whoever applies the
            patch needs them all.
        target: another of the same dtype and shape; it may be of another kind.
        algorithm: "delta", the only one.
        compress: whether changed chunks are coded; stored as they are they are larger, and
            applied as fast as copied.
        metadata: JSON values to keep in the header, where `inspect_patch` finds them.
        chunk_size: bytes of target that are coded, hashed and decoded alone, 1024 to
            2^30. Smaller chunks can be spread over more threads and cost a little size.
        threads: threads to use at once; by default one for each processor. The patch does not
            depend on it.
        convert: whether to cast `target` to the dtype of `base` first, as its library does it
            (rounding to nearest even, overflow to infinity); the patch then leads to the
            cast tensor. Without it, another dtype is an error.
        low_rank: whether to look for a low-rank update (a merged adapter) in bf16, f16 and f32.

    Returns:
        The patch. It was decoded and compared with `target` chunk by chunk.

    Raises:
        DtypeMismatch, ShapeMismatch: base and target differ in dtype or shape.
        UnsupportedType: an object is no tensor, or its dtype has no name here.
        InputError: another argument is out of range, or `metadata` is not JSON.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"expected the algorithm {ALGORITHMS[0]!r}, found {algorithm!r}")
    notes = plain({} if metadata is None else metadata)
    olds = _views(base)
    new = view(target)
    if convert and new.spec.dtype is not olds[0].spec.dtype:
        new = view(converted(target, olds[0].spec.dtype))
    _check_specs(olds[0].spec, new.spec, "target")
    for old in olds[1:]:
        _check_specs(olds[0].spec, old.spec, "base")
    count = thread_count(threads)
    options = Options(chunk_size=chunk_size, compressing=compress, low_rank=low_rank, threads=count)
    out = io.BytesIO()
    builder = Builder([old.data for old in olds], [_tensor_segment(olds, new)], options)

    def header() -> Header:
        *bases, made = [
            FileDigest(len(one.data), blake3_digest(one.data, count)) for one in (*olds, new)
        ]
        return tensor_header(new.spec, bases, made, notes)

    with io.BytesIO() as spool:
        builder.code(spool).write(header, spool, out)
    data = patch_array(out.getvalue())
    limits = Limits(chunk=max(chunk_size, DEFAULT_LIMITS.chunk))
    return Patch(data, open_patch(data, limits))


def _views(base: object) -> list[TensorView]:
    """One tensor, or each of a list of them.

    Raises:
        InputError: no tensors, or more than a patch can have.
        UnsupportedType: one is no tensor.
    """
    given = base if isinstance(base, list | tuple) else [base]
    if not 1 <= len(given) <= MOST_BASES:
        raise InputError(f"expected 1 to {MOST_BASES} bases, found {len(given)}")
    return [view(one) for one in given]


def _tensor_segment(olds: Sequence[TensorView], new: TensorView) -> SegmentSource:
    """The one segment of a patch between tensors of the same spec."""
    spec = new.spec
    copies: tuple[Copy, ...] = ()
    if spec.dtype is DType.BYTES:
        copies = tuple(find_copies(olds[0].data, new.data, 0, len(new.data)))
    places = tuple(BaseRange(i, 0) for i in range(len(olds)))
    return SegmentSource("", spec.dtype, spec.shape, new.data, places, copies)


def tensor_header(
    spec: TensorSpec,
    bases: Sequence[FileDigest],
    target: FileDigest,
    metadata: Mapping[str, Any],
) -> Header:
    """The header of a patch between tensors of the same spec."""
    return Header(
        kind="tensor",
        algorithm="delta",
        bases=tuple(bases),
        target=target,
        base_format="tensor",
        target_format="tensor",
        dtype=spec.dtype,
        shape=spec.shape,
        byte_order="little",
        counts={},
        writer=WRITER,
        created_at=None,
        metadata=metadata,
    )


def apply_patch(
    base: object,
    patch: Patch | bytes | bytearray | memoryview,
    *,
    out: object = None,
    force: bool = False,
    chunk_size: int | None = None,
    threads: int | None = None,
) -> Any:
    """Turns `base` into the tensor that the patch leads to.

    Args:
        base: the tensor that the patch was made from, of any kind that `create_patch`
            takes; not necessarily the kind that it was then. Of a patch with several
            bases a list of them, in any order.
        patch: a `Patch`, or the bytes of one, which are then checked whole.
        out: where to write: an array or tensor of the same dtype and shape, in any
            layout, on any device. It may be `base` itself.
        force: whether to go on with a base that the patch was not made from, and without
            checking the result, which then means nothing unless the base differs from the
            right one where the patch copies. Dtype and shape are still checked. Chunks that are
            copied, raw, compressed, spliced or values decode against any base, and so do
            residuals of integers; residuals of floating-point numbers and of quantised blocks
            only against elements as large as the right ones. SourceHashMismatch is raised where
            one does not, and `out` partly written.
        chunk_size: the largest chunk to accept, in bytes; by default 64 MiB. Two for each
            thread are in memory beside base and result.
        threads: threads to use at once; by default one for each processor.

    Returns:
        `out`, or a new tensor: of the kind, dtype, byte order and device of `base`, or of
        the first in a list.

    Raises:
        SourceHashMismatch: the base is another one. Nothing was written, but for `force`.
        InvalidPatch: the patch is damaged, and nothing was written; or a payload is, under
            digests made for it, and `out` is partly written.
        DtypeMismatch, ShapeMismatch: base or `out` do not fit the patch. Nothing was written.
        TargetHashMismatch: the result is wrong although base and patch are intact, which
            no damage can cause; `out` is then overwritten.
        LimitExceeded: a chunk larger than `chunk_size`.
    """
    opened = _opened_patch(patch, chunk_size)
    olds = _views(base)
    spec = opened.front.tensor
    for old in olds:
        _check_specs(spec, old.spec, "base")
    count = thread_count(threads)
    bases = [old.data for old in olds]
    if not force:
        bases = matched_bases(opened, bases, count)
    elif len(bases) != len(opened.front.header.bases):
        raise InputError(
            f"expected {len(opened.front.header.bases)} bases in the patch's order, "
            f"found {len(bases)}; without force, any order will do"
        )
    direct = None if out is None else writable(out, spec)
    if direct is not None and _decodes_in_place(opened, bases, direct):
        _decode_into(opened, bases, direct, count, checked=not force)
        return out
    data = np.empty(spec.nbytes, np.uint8)
    _decode_into(opened, bases, data, count, checked=not force)
    if out is None:
        return restore(olds[0], data)
    copy_into(out, spec, data)
    return out


def _patch_buffer(data: bytes | bytearray | memoryview) -> memoryview:
    """The bytes of a patch where they are.

    Raises:
        InputError: it is no contiguous buffer.
    """
    try:
        return memoryview(data).cast("B")
    except TypeError as e:
        raise InputError(
            f"expected a Patch or the bytes of one, found {type(data).__name__}"
        ) from e


def patch_array(patch: Patch | bytes | bytearray | memoryview) -> Bytes:
    """The bytes of a patch as an array that nobody changes; `bytes` are not copied.

    Raises:
        InputError: it is neither a `Patch` nor a contiguous buffer.
    """
    if isinstance(patch, Patch):
        patch = patch.to_bytes()
    kept = patch if isinstance(patch, bytes) else bytes(_patch_buffer(patch))
    return np.frombuffer(kept, np.uint8)


def _opened_patch(
    patch: Patch | bytes | bytearray | memoryview, chunk_size: int | None
) -> OpenPatch:
    """The parsed patch of either form, of a tensor, with chunks no larger than allowed."""
    if isinstance(patch, Patch) and chunk_size is None:
        opened = patch.opened
    else:
        limits = DEFAULT_LIMITS if chunk_size is None else Limits(chunk=chunk_size)
        opened = open_patch(patch_array(patch), limits)
    if not isinstance(patch, Patch):
        opened.check_body()
    check_kind(opened)
    return opened


def check_kind(opened: OpenPatch) -> None:
    """That a patch is one of a tensor.

    Raises:
        InputError: it is one of a model or a folder.
    """
    if opened.front.header.kind != "tensor":
        raise InputError(
            "expected a patch of a tensor, found one of a model; use sapwood.models.apply_patch"
        )


def _check_specs(expected: TensorSpec, found: TensorSpec, what: str) -> None:
    """Compares element type and shape.

    Raises:
        DtypeMismatch, ShapeMismatch: they differ.
    """
    if found.dtype is not expected.dtype:
        raise DtypeMismatch(
            f"expected a {what} of dtype {expected.dtype}, found {found.dtype}; nothing is cast "
            "silently (create_patch takes convert=True)"
        )
    if found.shape != expected.shape:
        raise ShapeMismatch(
            f"expected a {what} of shape {expected.shape}, found {found.shape}; "
            "to patch tensors of different shapes, put them in files and use sapwood.models"
        )


def _decodes_in_place(patch: OpenPatch, bases: Sequence[Bytes], out: Bytes) -> bool:
    """Whether decoding into `out` never overwrites bytes of a base that are still needed."""
    shared = [base for base in bases if np.may_share_memory(base, out)]
    if not shared:
        return True
    copies_from_elsewhere = any(
        chunk.coding in ELSEWHERE for one in patch.front.segments for chunk in one.chunks
    )
    in_step = all(base.ctypes.data == out.ctypes.data for base in shared)
    return in_step and not copies_from_elsewhere


def _decode_into(
    patch: OpenPatch, bases: Sequence[Bytes], out: Bytes, threads: int, *, checked: bool
) -> None:
    """Decodes the whole target into one array."""
    chunks = decode_chunks(
        patch, bases, lambda begin, end: out[begin:end], threads, checked=checked
    )
    try:
        for _ in chunks:
            pass
    except InvalidPatch:
        if not checked:  # then a wrong base, against which nothing can be decoded, is the cause
            check_forced(patch, bases, threads)
        raise
    expected = patch.front.header.target.blake3
    if checked and blake3_digest(out, threads) != expected:
        raise TargetHashMismatch(
            f"wrong result: expected BLAKE3 {expected.hex()}; the patch contradicts itself, "
            "get it anew from who made it"
        )


def inspect_patch(data: bytes | bytearray | memoryview) -> dict[str, Any]:
    """What the header of a patch says; reads no further, so the beginning of it is enough.

    Args:
        data: a patch, of a tensor, model or folder, from its first byte; at least up to the end
            of its header (a few hundred bytes and the metadata).

    Returns:
        `version`, `kind`, `algorithm`, `dtype`, `shape`, `byte_order`, `base_checksum`,
        `target_checksum` (BLAKE3, hexadecimal), `base_size`, `target_size` (of the first
        base; `bases` lists the size and checksum of each),
        `estimated_payload_size`, `patch_size` (bytes), `counts`, `writer`, `created_at`
        and `metadata`; of a target that is a folder its `files`, and of such a base those in
        its entry. The digest of header, index and tables is compared if they are all
        there; otherwise damage goes unnoticed. `Patch.from_bytes` checks everything.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the patch is damaged, cut
            off, of a later version, or its front is too large.
    """
    view = _patch_buffer(data)
    preamble = parse_preamble(bytes(view[: PREAMBLE.size]))
    end = PREAMBLE.size + preamble.header
    if len(view) < end:
        raise TruncatedPatch(
            f"cut off: expected a header up to byte {end}, found {len(view)} bytes; "
            "get the patch anew"
        )
    if len(view) >= preamble.front_size:
        parse_front(bytes(view[: preamble.front_size]))
    header = parse_header(bytes(view[PREAMBLE.size : end]))
    return {
        "version": VERSION,
        "kind": header.kind,
        "algorithm": header.algorithm,
        "dtype": None if header.dtype is None else header.dtype.label,
        "shape": list(header.shape),
        "byte_order": header.byte_order,
        "bases": [
            {"size": one.size, "checksum": one.blake3.hex(), **_files_of(one)}
            for one in header.bases
        ],
        "base_checksum": header.bases[0].blake3.hex(),
        "target_checksum": header.target.blake3.hex(),
        "base_size": header.bases[0].size,
        "target_size": header.target.size,
        "estimated_payload_size": preamble.body,
        "patch_size": preamble.front_size + preamble.body,
        "counts": dict(header.counts),
        "writer": header.writer,
        "created_at": header.created_at,
        "metadata": dict(header.metadata),
        **_files_of(header.target),
    }


def _files_of(digest: FileDigest) -> dict[str, Any]:
    """The files of a base or target that is a folder, as `files`; nothing of others."""
    return {} if digest.files is None else {"files": files_fields(digest.files)}
