"""Patches of tensors larger than memory: both ways over iterators of buffers.

Each chunk is planned, coded and decoded by itself, with its tables in its payload, so
that one pass over base and target is enough and only a few chunks are ever in memory.
What comes out is a tensor patch as any other: `apply_patch` takes it too. It is a
little larger than what `create_patch` makes, which sees the whole tensor first.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeAlias

import numpy as np

from sapwood.codec import Coding, CodingPlan, TensorCoding
from sapwood.codec.chunk import ELSEWHERE
from sapwood.codec.local import plan_locally
from sapwood.content.content import Bytes
from sapwood.documents.canonical_json import plain
from sapwood.errors import InputError, InvalidPatch, SourceHashMismatch, TargetHashMismatch
from sapwood.files.outputs import PLACE
from sapwood.files.refusals import os_errors
from sapwood.files.sources import read_source
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.patch.applying.bases import no_help_in_force
from sapwood.patch.applying.chunks import chunk_digest
from sapwood.patch.applying.decoding import ChunkJob, chunk_jobs, decode_job
from sapwood.patch.applying.opening import OpenPatch, open_patch
from sapwood.patch.applying.pipeline import ordered
from sapwood.patch.format.front import MOST_DIMENSIONS, Chunk, FileDigest, Segment
from sapwood.patch.format.predictions import BaseRange
from sapwood.patch.making.building import DEFAULT_CHUNK, Options
from sapwood.patch.making.chunks import ChunkSource, Encoded, encode
from sapwood.patch.making.coded import Body
from sapwood.patch.making.segments import chunk_grid, row_length
from sapwood.patch.regrouping import NOTHING, Buffer, Regrouped
from sapwood.patch.tensor import Patch, check_kind, patch_array, tensor_header
from sapwood.tensors import DType, TensorSpec

PatchSource: TypeAlias = Patch | bytes | bytearray | memoryview | str | os.PathLike[str]


def create_patch_from_chunks(
    base_chunks: Iterable[Buffer],
    target_chunks: Iterable[Buffer],
    out: IO[bytes],
    *,
    dtype: DType | str,
    shape: Sequence[int],
    compress: bool = True,
    metadata: Mapping[str, Any] | None = None,
    chunk_size: int = DEFAULT_CHUNK,
    threads: int | None = None,
) -> int:
    """Makes the patch between two tensors that are read once, from front to back.

    Args:
        base_chunks: buffers that, one after another, are the base's elements in C order,
            little-endian. Of any lengths, whole elements or not; a buffer may be used
            again by the iterator when the next one is asked for.
        target_chunks: buffers with as many elements of the target, likewise.
        out: a binary file, positioned where the patch is to begin. Written to only when
            both iterators were read to their ends.
        dtype: type of the elements, a `DType` or its name in the format, such as "bf16".
        shape: shape of both tensors.
        compress: whether changed chunks are coded, or stored as they are.
        metadata: JSON values to keep in the header, where `inspect_patch` finds them.
        chunk_size: bytes of target that are coded, hashed and decoded alone, 1024 to 2^30. A
            few times as much is in memory for each thread; payloads wait in a temporary file.
        threads: threads to use at once; by default one for each processor. The patch does not
            depend on it.

    Returns:
        Bytes written to `out`.

    Raises:
        InputError: an iterator ends early or goes on after the last element, or an
            argument is out of range. Nothing was written.
        IoError: `out` or the temporary file cannot be written; `out` may hold a part.
    """
    notes = plain({} if metadata is None else metadata)
    spec = TensorSpec(_element_type(dtype), _checked_shape(shape))
    count = thread_count(threads)
    options = Options(chunk_size=chunk_size, compressing=compress, threads=count)
    stream = PairStream(
        spec,
        options,
        *chunk_grid(spec.dtype, row_length(spec.shape), chunk_size),
        Regrouped(base_chunks, spec.nbytes, "base"),
        Regrouped(target_chunks, spec.nbytes, "target"),
    )
    chunks: list[Chunk] = []
    with _spool_file() as spool:
        body = Body(spool)
        for one in ordered(stream.encoded, stream.jobs(), count):
            chunks.append(one.chunk)
            with os_errors(PLACE):
                body.keep(one.payload)
        base, target = stream.base.finish(), stream.target.finish()
        coded = body.coded([stream.segment(chunks)], [], chunk_size)
        with os_errors(f"the patch, or {PLACE}"):
            header = tensor_header(spec, [base], target, notes)
            return coded.write(lambda: header, spool, out).size


def apply_patch_to_chunks(
    base_chunks: Iterable[Buffer],
    patch: PatchSource,
    *,
    force: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> Iterator[memoryview]:
    """Turns a base that is read once into the target, chunk by chunk.

    Args:
        base_chunks: buffers that, one after another, are the base's elements in C order,
            little-endian, as for `create_patch_from_chunks`.
        patch: a patch of a tensor: a `Patch`, the bytes of one, or a path, which is
            memory-mapped. Its dtype and shape say what the bytes are (`inspect_patch`).
        force: whether to go on with a wrong base as long as it can be decoded against, and not
            to check the result, which then means nothing; `apply_patch` says which codings can.
        limits: how much memory the patch may ask for. A few chunks are in memory for each
            thread.
        threads: threads to use at once; by default one for each processor.

    Returns:
        An iterator over the target's bytes in order, the caller's to keep. Each is checked
        before it is handed out. But whether the whole base is right is known at its end
        only: keep what comes out aside until the iterator has ended without an error.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the patch is damaged
            or asks for too much. Raised by the call, before the base is read.
        InputError: the patch is of a model, has several bases, or copies from anywhere in
            the base (patches of opaque bytes may): use `apply_patch`. From the iterator:
            the base ends early, or goes on after its last element.
        SourceHashMismatch: from the iterator: the base is another one.
        TargetHashMismatch: from the iterator: the result is wrong although base and patch
            are intact.
        IoError: the patch cannot be read.
    """
    count = thread_count(threads)
    data = read_source(patch) if isinstance(patch, str | os.PathLike) else patch_array(patch)
    opened = open_patch(data, limits)
    opened.check_body(count)
    check_kind(opened)
    header = opened.front.header
    (segment,) = opened.front.segments
    if len(header.bases) > 1:
        raise InputError(
            f"this patch has {len(header.bases)} bases, of which one can be read at once; "
            "use sapwood.apply_patch"
        )
    if any(chunk.coding in ELSEWHERE for chunk in segment.chunks):
        raise InputError("this patch copies from anywhere in its base; use sapwood.apply_patch")
    base = Regrouped(base_chunks, header.bases[0].size, "base")
    return _decoded(opened, segment, base, count, checked=not force)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PairStream:
    """A base and a target that are read chunk by chunk.

    Attributes:
        spec: element type and shape of both.
        options: how to code them.
        row_length: elements a row.
        chunk_elements: elements of each chunk but the last.
        base: the base's bytes.
        target: the target's bytes.
    """

    spec: TensorSpec
    options: Options
    row_length: int
    chunk_elements: int
    base: Regrouped
    target: Regrouped

    def jobs(self) -> Iterator[tuple[int, Bytes, Bytes]]:
        """The chunks: the offset of each in bytes, and the base's and the target's bytes."""
        step = self.chunk_elements * self.spec.dtype.size
        for begin in range(0, self.spec.nbytes, step):
            size = min(step, self.spec.nbytes - begin)
            yield begin, self.base.take(size), self.target.take(size)

    def encoded(self, job: tuple[int, Bytes, Bytes]) -> Encoded:
        """One chunk, planned by itself and checked."""
        begin, base, target = job
        tensor_coding, own = TensorCoding(Coding.RAW), None
        if self.options.compressing and not np.array_equal(base, target):
            tensor_coding, own = plan_locally(self.spec.dtype, base, target, self.row_length)
        source = ChunkSource(
            dtype=self.spec.dtype,
            row_length=self.row_length,
            target=target,
            prediction=base,
            tensor_coding=tensor_coding,
            offset=begin,
            whole_base=NOTHING,
        )
        # The tensor coding names its tables INLINE, -1: the last and only ones of this plan.
        plan = CodingPlan((tensor_coding,), () if own is None else (own,))
        return encode(source, plan, self.options.level, self.options.compressing)

    def segment(self, chunks: Sequence[Chunk]) -> Segment:
        """The index entry of the whole tensor."""
        return Segment(
            name="",
            dtype=self.spec.dtype,
            shape=self.spec.shape,
            prediction=BaseRange(0, 0),
            row_length=self.row_length,
            chunk_elements=self.chunk_elements,
            chunks=tuple(chunks),
        )


def _decoded(
    opened: OpenPatch, segment: Segment, base: Regrouped, threads: int, *, checked: bool
) -> Iterator[memoryview]:
    """The target's chunks; the last one waits until the base was read and compared."""

    def jobs() -> Iterator[tuple[ChunkJob, Bytes]]:
        for job in chunk_jobs(opened, [segment]):
            yield job, base.take(job.end - job.begin)

    def one(work: tuple[ChunkJob, Bytes]) -> Bytes:
        job, out = work
        # In place: the base's bytes are a copy of ours, and all that is predicted from.
        decode_job(job, opened, [out] * len(job.predictor.places), NOTHING, out)
        if checked and chunk_digest(out) != job.chunk.digest:
            raise TargetHashMismatch(
                f"the target's digest differs in the chunk at byte {job.begin}"
            )
        return out

    last = None
    try:
        for data in ordered(one, jobs(), threads):
            if last is not None:
                yield last.data
            last = data
    except (InvalidPatch, TargetHashMismatch) as e:
        # The patch is as it was made: a wrong base explains what came out, if it is one.
        base.skip()
        remark = "" if checked else f"; {no_help_in_force(opened)}"
        _check_digest(opened, base.finish(), e, remark)
        raise
    found = base.finish()
    if checked:
        _check_digest(opened, found, None)
    if last is not None:
        yield last.data


def _check_digest(
    opened: OpenPatch, found: FileDigest, cause: Exception | None, remark: str = ""
) -> None:
    """Compares the digest of a base that was read whole.

    Args:
        opened: the patch.
        found: the digest of the base.
        cause: what went wrong because of that, or None.
        remark: what to say at the end.

    Raises:
        SourceHashMismatch: it is another one.
    """
    expected = opened.front.header.bases[0]
    if found.blake3 != expected.blake3:
        raise SourceHashMismatch(
            f"wrong base: expected BLAKE3 {expected.blake3.hex()}, found {found.blake3.hex()}; "
            "discard what came out and apply the patch to the base that it was made from"
            f"{remark}"
        ) from cause


def _element_type(dtype: DType | str) -> DType:
    """The element type that was given, or named.

    Raises:
        InputError: no element type has that name.
    """
    if isinstance(dtype, DType):
        return dtype
    try:
        return DType.named(dtype)
    except (KeyError, TypeError) as e:
        names = ", ".join(one.label for one in DType)
        raise InputError(f"expected a dtype among {names}; found {dtype!r}") from e


def _checked_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """The shape as a tuple.

    Raises:
        InputError: there are too many sides, or one is no size.
    """
    sides = tuple(shape)
    if len(sides) > MOST_DIMENSIONS or any(not isinstance(n, int) or n < 0 for n in sides):
        raise InputError(
            f"expected a shape of at most {MOST_DIMENSIONS} sizes, found {sides!r:.80}"
        )
    return sides


def _spool_file() -> IO[bytes]:
    """A temporary file without a name."""
    with os_errors(PLACE):
        return tempfile.TemporaryFile()
