"""Makes patches between model files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from blake3 import blake3

from sapwood.codec.chunk import Bytes
from sapwood.codec.content import Content
from sapwood.errors import InputError
from sapwood.modelfile import ModelFile, open_model
from sapwood.models.files import (
    Output,
    Source,
    atomic_output,
    copy_rest,
    path_name,
    read_source,
    source_list,
    unchanged,
)
from sapwood.models.merging import adapter_config
from sapwood.models.regions import plain_segments
from sapwood.models.results import PatchStats
from sapwood.models.segments import file_segments
from sapwood.models.signing import sealing
from sapwood.models.standalone import may_be_smaller, standalone_segments
from sapwood.patch.building import (
    DEFAULT_CHUNK,
    Builder,
    Options,
    Progress,
    Written,
    silent,
    tensor_counts,
)
from sapwood.patch.canonical_json import plain
from sapwood.patch.contents import stripes
from sapwood.patch.format import FileDigest, Header, Segment
from sapwood.patch.pipeline import thread_count
from sapwood.patch.sources import SegmentSource
from sapwood.patch.version import WRITER

SMALL = 4 << 20  # bytes; such files are patched as bytes too, and the smaller patch is kept
LEAST_TRIED = 32 << 10  # bytes; smaller files have little to save
MOST_TRIED = 256 << 20
# What a patch by bytes must save: one by tensors tells what changed in which.
LEAST_SAVED = 512  # bytes
LEAST_SHARE_SAVED = 0.01


def create_patch(  # noqa: PLR0913 (a seed's parameters, and ours)
    source: Source | Sequence[Source],
    target: Source,
    output: Output,
    compression_level: int = 3,
    neural: bool = False,
    private_key: bytes | None = None,
    *,
    counter: int = 0,
    metadata: Mapping[str, Any] | None = None,
    created_at: int | None = None,
    chunk_size: int = DEFAULT_CHUNK,
    low_rank: bool = True,
    threads: int | None = None,
    progress: Progress = silent,
) -> PatchStats:
    """Makes the patch that turns one version of a model file into the next, byte for byte.

    Files of known formats (safetensors, GGUF, PyTorch, ONNX, ...) are patched tensor by
    tensor, matched by name or, where the name changed, by content. Any other file is
    patched as bytes: what stands anywhere in the source is copied, and stretches of changed
    weights are coded as such. So are small files, and those in which no tensor changed,
    where that saves bytes: then the tensors have no names in it.

    Args:
        source: the version that the receiver has: a path, bytes or a binary file object.
            Or a list of several, for a target that was merged from them: whoever applies
            the patch needs them all. One of them may be an adapter as PEFT writes it; its
            `adapter_config.json` is looked for beside it, and needed by nobody else.
        target: the version to lead to.
        output: where the patch goes: a path, replaced only when the patch is whole and
            checked, or a binary file object.
        compression_level: of zstd, 1 to 19, for what is not elements of tensors.
        neural: accepted for other tools' sake. The residual codec is always tried and used
            where it is smaller.
        private_key: of Ed25519, 64 bytes, to sign the patch with; see `sign_patch`.
        counter: that the signature is given; see `sign_patch`.
        metadata: JSON values to keep in the header.
        created_at: Unix time in seconds to note in the header. Without it the same files
            give the same patch.
        chunk_size: bytes of target that are coded, hashed and decoded alone, 1024 to 2^30.
        low_rank: look for low-rank updates (merged adapters) in tensors of bf16, f16 and
            f32. A full fine-tune costs some percent more time for it.
        threads: to use at once; by default one for each processor. The patch does not
            depend on it.
        progress: is told how much is done, in bytes of the target.

    Returns:
        Sizes and counts. Every chunk was decoded again and compared with the target.

    Raises:
        IoError: a file cannot be read or written, or source or target changed meanwhile.
        InputError: an argument is out of range, or `metadata` is not JSON.
        After either the output is as it was.
    """
    del neural
    seal = sealing(private_key, counter)
    notes = plain({} if metadata is None else metadata)
    check_time(created_at)
    count = thread_count(threads)
    options = Options(
        chunk_size=chunk_size, level=compression_level, low_rank=low_rank, threads=count
    )
    sources = source_list(source)
    with atomic_output(output) as out, unchanged(*sources, target):
        olds, new = [read_source(one) for one in sources], read_source(target)
        old_files, new_file = [open_model(old) for old in olds], open_model(new)
        with ThreadPoolExecutor(2, "sapwood-hash") as hashing:
            digests = [hashing.submit(file_digest, data, count) for data in (*olds, new)]
            segments = file_segments(
                list(zip(olds, old_files, strict=True)),
                new,
                new_file,
                [adapter_config(one) for one in sources],
            )
            job = Creation(
                Builder(olds, segments, options, progress),
                new,
                lambda: model_header(
                    named([one.result() for one in digests[:-1]], sources),
                    digests[-1].result(),
                    (old_files[0].format, new_file.format),
                    created_at,
                    notes,
                ),
                seal,
            )
            if tries_bytes(new_file, olds):
                written = job.write_smaller(out, lambda: plain_segments(olds[0], new))
            else:
                written = job.write(out)
    return PatchStats(
        source_size=sum(map(len, olds)),
        target_size=len(new),
        patch_size=written.size,
        tensors_modified=written.counts["tensors_modified"],
        tensors_unchanged=written.counts["tensors_unchanged"],
    )


def model_header(
    bases: tuple[FileDigest, ...],
    target: FileDigest,
    formats: tuple[str, str],
    created_at: int | None,
    metadata: Mapping[str, Any],
) -> Header:
    """The header of a patch between model files; `formats` are of the first base and the target."""
    base_format, target_format = formats
    return Header(
        kind="model",
        algorithm="delta",
        bases=bases,
        target=target,
        base_format=base_format,
        target_format=target_format,
        dtype=None,
        shape=(),
        byte_order="little",
        counts={},
        writer=WRITER,
        created_at=created_at,
        metadata=metadata,
    )


def tries_bytes(file: ModelFile, bases: Sequence[Content]) -> bool:
    """Whether a patch by bytes may be made as well.

    Not of safetensors, whose patches are always by tensors; nor of several bases, of which
    bytes are found in the first alone.
    """
    sized = LEAST_TRIED <= file.size <= MOST_TRIED
    return sized and bool(file.tensors) and file.format != "safetensors" and len(bases) == 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Creation:
    """A patch about to be written.

    Attributes:
        builder: of the patch by tensors.
        target: the whole file, borrowed.
        header: as for `Builder.write`.
        seal: as for `Builder.write`.
    """

    builder: Builder
    target: Bytes
    header: Callable[[], Header]
    seal: Callable[[bytes], bytes]

    def write(self, out: IO[bytes]) -> Written:
        """Writes the patch by tensors, or that of the target alone where its payloads are smaller.

        Raises:
            OSError: from `out` or a temporary file.
        """
        builder = self.builder
        with tempfile.TemporaryFile() as spool:
            coded = builder.code(spool)
            if may_be_smaller(self.target, coded.body, builder.options.level):
                alone = Builder(builder.bases, standalone_segments(self.target), builder.options)
                with tempfile.TemporaryFile() as other:
                    found = alone.code(other)
                    if found.body < coded.body:
                        return alone.finish(
                            found, lambda: self.counted(coded.segments), other, out, self.seal
                        )
            return builder.finish(coded, self.header, spool, out, self.seal)

    def counted(self, segments: Sequence[Segment]) -> Header:
        """The header, with what became of the tensors of a patch that was not written."""
        header = self.header()
        return dataclasses.replace(header, counts=tensor_counts(header, segments))

    def write_smaller(self, out: IO[bytes], by_bytes: Callable[[], list[SegmentSource]]) -> Written:
        """Writes the patch by tensors, or that by bytes where it is likely to be smaller and is.

        That is so of small files, and where no tensor changed: then the entries of hundreds
        of tensors are most of a patch.

        Args:
            out: positioned where the patch is to begin.
            by_bytes: gives the segments of the other patch, where it is tried.

        Raises:
            OSError: from `out` or a temporary file.
        """
        size = sum(len(one.target) for one in self.builder.segments)
        with tempfile.TemporaryFile() as patch, tempfile.TemporaryFile() as other:
            written = self.write(patch)
            smallest, chosen = written, patch
            likely = size <= SMALL or written.counts["tensors_modified"] == 0
            if likely and written.size > LEAST_SAVED:
                counts = written.counts
                found = Creation(
                    Builder(self.builder.bases, by_bytes(), self.builder.options),
                    self.target,
                    lambda: dataclasses.replace(self.header(), counts=counts),
                    self.seal,
                ).write(other)
                saved = written.size - found.size
                if saved >= max(LEAST_SAVED, LEAST_SHARE_SAVED * written.size):
                    smallest, chosen = found, other
            chosen.seek(0)
            copy_rest(chosen, out)
        return smallest


def named(digests: Sequence[FileDigest], sources: Sequence[Source]) -> tuple[FileDigest, ...]:
    """The bases of a patch; of several, each with the name of its file, to ask for it by."""
    if len(digests) == 1:
        return tuple(digests)
    return tuple(
        dataclasses.replace(
            digest,
            name=Path(path_name(one)).name if isinstance(one, str | os.PathLike) else None,
        )
        for digest, one in zip(digests, sources, strict=True)
    )


def check_time(created_at: int | None) -> None:
    """Refuses a time that a reader would refuse."""
    if created_at is None:
        return
    if type(created_at) is not int or not 0 <= created_at < 2**63:
        raise InputError(
            f"expected created_at as whole seconds since 1970, found {created_at!r}; use int()"
        )


def file_digest(data: Content, threads: int) -> FileDigest:
    """Size and digests of a whole file."""
    sha256 = hashlib.sha256()
    blake = blake3(max_threads=threads)
    for stripe in stripes(data):
        sha256.update(stripe.data)
        blake.update(stripe.data)
    return FileDigest(len(data), blake.digest(), sha256.digest())
