"""Some tensors of a target, as a safetensors file: only their chunks are fetched and decoded."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import IO

from sapwood.errors import InputError
from sapwood.files.holes import SparseWriter
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.sources import Source
from sapwood.files.writing import write_all
from sapwood.modelfile.safetensors import METADATA, file_header
from sapwood.models.applying.loading import Lazy, lazy_tensors
from sapwood.models.applying.near_names import near_names
from sapwood.models.applying.origins import Origin
from sapwood.models.receiving.opening import Received
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import TensorExtraction
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.format.front import Segment
from sapwood.progress import Progress
from sapwood.tensors import DType


def extract_tensors(
    base: Source | Sequence[Source],
    patch: Source | Received,
    output: Output,
    names: str | Sequence[str],
    *,
    signature: Source | Sequence[Source] | None = None,
    receiving: Receiving = ANYBODY,
) -> TensorExtraction:
    """Writes some tensors of a patch's target into a safetensors file.

    Nothing else of the target is decoded, and of a patch behind a URL nothing else is fetched
    but its front, if the server gives parts of files. Signatures, the front and the bases are
    checked as in `apply_patch`, and each chunk by its digest; the digest of the whole patch is
    only where all of it is here. As in `load_patched`, names, types and shapes are those that
    the patch has: GGUF's blocks are U8, in rows of bytes.

    Args:
        base: as `source` of `apply_patch`.
        patch: as of `load_patched`.
        output: a path or a binary file object; gets everything or nothing.
        names: names of tensors, or patterns with `*`, `?` and `[...]`, such as "model.layers.0.*".
        signature: as of `apply_patch`.
        receiving: as of `apply_patch`; its memory is all that this may take, and its progress is
            told how many bytes of the tensors are done.

    Returns:
        The tensors that were written.

    Raises:
        InputError: as `load_patched`; or a name that no tensor has, or a tensor of a type that
            is not known.
        SignatureError, SourceHashMismatch, InvalidPatch, TruncatedPatch, UnsupportedPatch,
            TargetHashMismatch, LimitExceeded, IoError: as `load_patched` and
            `PatchedModel.tensor`.
        After any of these the output is as it was.
    """
    origin = Origin.of(base, patch, receiving, signature)
    tensors = lazy_tensors(origin)
    chosen = {name: tensors[name] for name in _matching(tensors, names)}
    _check_types(chosen)
    segments = [one.segment for one in chosen.values() if one.segment is not None]
    if origin.received.is_here:
        receiving.fitting(origin.opened, segments)
    with atomic_output(output) as out:
        write_all(out, memoryview(file_header((name, one.spec) for name, one in chosen.items())))
        if segments:
            _write_segments(origin, segments, out, receiving.progress)
        else:
            for one in chosen.values():
                write_all(out, one.load().data)
    return TensorExtraction(tuple(chosen))


def _matching(tensors: Mapping[str, Lazy], names: str | Sequence[str]) -> list[str]:
    """The names of tensors that are among those given, or fit a pattern; in file order.

    Raises:
        InputError: nothing is given, or one fits none.
    """
    given = [names] if isinstance(names, str) else list(names)
    if not given or not all(isinstance(one, str) for one in given):
        raise InputError(f"expected names of tensors, found {names!r:.80}")
    found: set[str] = set()
    for one in given:
        # A name may hold brackets itself.
        fitting = {one} if one in tensors else set(fnmatch.filter(tensors, one))
        if not fitting:
            hint = near_names(one, tensors)
            raise InputError(f"expected a name among {len(tensors)} tensors, found {one!r}{hint}")
        found |= fitting
    return [name for name in tensors if name in found]


def _check_types(tensors: Mapping[str, Lazy]) -> None:
    """That a safetensors file can say what the tensors are.

    Raises:
        InputError: one is of a type that it has no name for.
    """
    for name, one in tensors.items():
        if one.spec.dtype is DType.BYTES:
            raise InputError(
                f"{name!r}: its elements are of a type that is not known here; leave it out, or "
                "make the whole file with sapwood.models.apply_patch"
            )
        if name == METADATA:
            raise InputError(f"{METADATA!r}: no tensor of a safetensors file can be named so")


def _write_segments(
    origin: Origin, segments: Sequence[Segment], out: IO[bytes], progress: Progress
) -> None:
    """Decodes segments into a file, those whose payloads are adjacent together.

    Raises:
        InvalidPatch, TargetHashMismatch, LimitExceeded, IoError: as `PatchedModel.tensor`.
        OSError: from the file.
    """
    total = sum(segment.nbytes for segment in segments)
    buffers = Buffers()
    writer = SparseWriter(out)
    written = 0

    for run in _runs(segments):
        for chunk in origin.chunks(buffers.place, run):
            writer.write(chunk.data)
            buffers.give_back(chunk.data)
            written += chunk.end - chunk.begin
            progress(written, total)
    writer.finish()


def _runs(segments: Sequence[Segment]) -> Iterator[tuple[Segment, ...]]:
    """Segments in order, grouped where the payload of one begins where that before ends."""
    number = 0
    end: int | None = None
    numbered = []
    for segment in segments:
        number += end is not None and segment.body_offset != end
        end = segment.body_offset + segment.payload_size
        numbered.append((number, segment))
    for _, group in groupby(numbered, key=lambda one: one[0]):
        yield tuple(segment for _, segment in group)
