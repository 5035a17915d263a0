"""Makes patches between model files."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from blake3 import blake3

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import stripes
from sapwood.documents.canonical_json import plain
from sapwood.documents.file_selection import FileSelection
from sapwood.errors import InputError
from sapwood.files.file_objects import copy_rest
from sapwood.files.outputs import Output
from sapwood.files.paired_outputs import output_and_reverse
from sapwood.files.paths import path_name
from sapwood.files.sources import Source
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.modelfile import format_named
from sapwood.models.applying.bases import source_list
from sapwood.models.making.arrays import unlike_arrays
from sapwood.models.making.indexable import indexable
from sapwood.models.making.inputs import (
    Input,
    check_outside,
    check_reversible,
    open_input,
    remarks,
    unchanged,
)
from sapwood.models.making.merging import adapter_config
from sapwood.models.making.regions import plain_segments
from sapwood.models.making.segments import input_segments, whole
from sapwood.models.making.signing import sealing, signing_of
from sapwood.models.making.standalone import may_be_smaller, standalone_segments
from sapwood.models.results import PatchStats
from sapwood.patch.format.front import FileDigest, Header, Segment
from sapwood.patch.format.version import WRITER
from sapwood.patch.making.building import DEFAULT_CHUNK, Builder, Options
from sapwood.patch.making.coded import Written, tensor_counts
from sapwood.patch.making.segments import SegmentSource
from sapwood.progress import Progress, Stages, silent

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
    reverse: Output | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> PatchStats:
    """Makes the patch that turns one version of a model file into the next, byte for byte.

    Files of known formats (safetensors, GGUF, PyTorch, ONNX, ...) are patched tensor by
    tensor, matched by name or, where the name changed, by content. Any other file is
    patched as bytes: what stands anywhere in the source is copied, and stretches of changed
    weights are coded as such. So are small files, and those in which no tensor changed,
    where that saves bytes: then the tensors have no names in it.

    Args:
        source: the version that the receiver has: a path, bytes or a binary file object. A
            path of a folder stands for the files in it and below, links to files included, but
            not for what lies there by accident (`.git`, `.cache`, `__pycache__` and the like):
            tensors are found in whichever file they are. Or a list of several, for a target
            that was merged from them: whoever applies the patch needs them all. One of
            them may be an adapter as PEFT writes it; its `adapter_config.json` is looked for
            beside it, and needed by nobody else.
        target: the version to lead to, likewise. Of a folder its files come back, and
            whether their owner may execute them; folders without files do not.
        output: where the patch goes: a path, replaced only when the patch is whole and
            checked, or a binary file object.
        compression_level: level of zstd, 1 to 19, for what is not elements of tensors.
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
        reverse: where the patch that leads back goes, made with the same options and
            signed with the same key and counter, so that a receiver who demands higher
            counters takes it only if it lowers its demand. Of one source only. Both
            patches appear or neither; where the process ends between their two renames,
            or the second fails, there is the reverse alone, and `output` is as it was.
        include: patterns of files of folders that are taken in spite of what else is left out:
            paths in the folder, with `*` within a name and `**` for any number of names.
        exclude: patterns of files, and of folders with all in them, that are left out too.
        threads: to use at once; by default one for each processor. The patch does not
            depend on it.
        limits: what those allow who will open the patch. A file with more tensors than an index
            of `front` bytes can list is patched as bytes, with a warning; making it takes some
            four times as much memory.
        progress: is told how much is done, in bytes of the target.

    Returns:
        Sizes and counts. Every chunk was decoded again and compared with the target.

    Raises:
        IoError: a file cannot be read or written, or source or target changed meanwhile.
        InputError: an argument is out of range, or `metadata` is not JSON; a folder holds
            what is no file, or an output; `reverse` of several sources, or to where `output`
            goes.
        After either the outputs are as they were, but for what `reverse` says.
    """
    del neural
    count = thread_count(threads)
    making = Making(
        Options(chunk_size=chunk_size, level=compression_level, low_rank=low_rank, threads=count),
        sealing(private_key, counter),
        plain({} if metadata is None else metadata),
        _check_time(created_at),
    )
    selection = FileSelection.of(include, exclude)
    sources = source_list(source)
    outputs = [output] if reverse is None else [output, reverse]
    if reverse is not None:
        check_reversible(sources)
    for one in outputs:
        check_outside(one, *sources, target)
    versions = (*sources, target)
    with (
        output_and_reverse(output, reverse) as (out, back),
        unchanged(*versions, selection=selection),
    ):
        *olds, new = [open_input(one, len(versions), selection) for one in versions]
        if back is not None:
            olds = [indexable(olds[0], limits.front)]
        new = indexable(new, limits.front)
        stages = Stages(new.file.size + (0 if back is None else olds[0].file.size), progress)
        written = making.write(olds, new, sources, out, stages.stage(new.file.size))
        led_back = None
        if back is not None:
            stage = stages.stage(olds[0].file.size)
            led_back = making.write([new], olds[0], [target], back, stage)
    return PatchStats(
        source_size=sum(one.file.size for one in olds),
        target_size=new.file.size,
        patch_size=written.size,
        tensors_modified=written.counts["tensors_modified"],
        tensors_unchanged=written.counts["tensors_unchanged"],
        reverse_size=None if led_back is None else led_back.size,
        warnings=(*remarks(versions, [*olds, new], "patched"), *unlike_arrays(olds, new)),
        kind=_kind_of([*olds, new]),
        signing=signing_of(private_key, counter),
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Making:
    """How patches are made, whichever way they lead.

    Attributes:
        options: chunk size, level and threads, as of `Builder`.
        seal: the function that signs a front, as of `CodedSegments.write`.
        metadata: JSON values for the header.
        created_at: Unix time in seconds, or None.
    """

    options: Options
    seal: Callable[[bytes], bytes]
    metadata: Mapping[str, Any]
    created_at: int | None

    def write(
        self,
        olds: Sequence[Input],
        new: Input,
        sources: Sequence[Source],
        out: IO[bytes],
        progress: Progress,
    ) -> Written:
        """Writes the patch from some versions to another.

        Args:
            olds: the versions that it leads from.
            new: the version that it leads to.
            sources: what `olds` were opened from, for their names.
            out: a file, positioned where the patch is to begin.
            progress: is told how many bytes of the target are done.

        Raises:
            OSError: from `out` or a temporary file.
        """
        with ThreadPoolExecutor(2, "sapwood-hash") as hashing:
            threads = self.options.threads
            digests = [hashing.submit(_input_digest, one, threads) for one in (*olds, new)]
            contents = [one.content for one in olds]
            segments = input_segments(olds, new, [adapter_config(one) for one in sources])
            job = Creation(
                Builder(contents, segments, self.options, progress),
                new.content,
                lambda: _model_header(
                    _kind_of([*olds, new]),
                    _named([one.result() for one in digests[:-1]], sources),
                    digests[-1].result(),
                    (olds[0].file.format, new.file.format),
                    self.created_at,
                    self.metadata,
                ),
                self.seal,
            )
            if not _tries_bytes(new, olds):
                return job.write(out)
            old = whole(contents[0])
            return job.write_smaller(out, lambda: _by_bytes(old, whole(new.content)))


def _kind_of(versions: Iterable[Input]) -> str:
    """The kind of a patch between versions: "folder" where one is a folder, "model" of files."""
    return "folder" if any(one.entries is not None for one in versions) else "model"


def _model_header(
    kind: str,
    bases: tuple[FileDigest, ...],
    target: FileDigest,
    formats: tuple[str, str],
    created_at: int | None,
    metadata: Mapping[str, Any],
) -> Header:
    """The header of a patch between model files; `formats` are of the first base and the target."""
    base_format, target_format = formats
    return Header(
        kind=kind,
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


def _tries_bytes(target: Input, bases: Sequence[Input]) -> bool:
    """Whether a patch by bytes may be made as well.

    Not of formats whose patches are always by tensors; nor of several bases, of which
    bytes are found in the first alone; nor of folders, file by file patched as it suits them.
    """
    file = target.file
    return (
        LEAST_TRIED <= file.size <= MOST_TRIED
        and bool(file.tensors)
        and not format_named(file.format).by_tensors_alone
        and len(bases) == 1
        and _kind_of([target, *bases]) == "model"
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Creation:
    """A patch about to be written.

    Attributes:
        builder: the builder of the patch by tensors.
        target: the whole version, borrowed.
        header, seal: functions as of `CodedSegments.write`.
    """

    builder: Builder
    target: Content
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
                        return found.write(
                            lambda: self.counted(coded.segments), other, out, self.seal
                        )
            return coded.write(self.header, spool, out, self.seal)

    def counted(self, segments: Sequence[Segment]) -> Header:
        """The header, with what became of the tensors of a patch that was not written."""
        header = self.header()
        return dataclasses.replace(header, counts=tensor_counts(header, segments))

    def write_smaller(
        self, out: IO[bytes], others: Callable[[], Iterable[list[SegmentSource]]]
    ) -> Written:
        """Writes the patch by tensors, or that by bytes where it is likely to be smaller and is.

        That is so of small files, and where no tensor changed: then the entries of hundreds
        of tensors are most of a patch.

        Args:
            out: a file, positioned where the patch is to begin.
            others: gives the segments of other patches, where they are tried.

        Raises:
            OSError: from `out` or a temporary file.
        """
        with contextlib.ExitStack() as files:
            chosen = files.enter_context(tempfile.TemporaryFile())
            written = smallest = self.write(chosen)
            likely = len(self.target) <= SMALL or written.counts["tensors_modified"] == 0
            for segments in others() if likely and written.size > LEAST_SAVED else ():
                other = files.enter_context(tempfile.TemporaryFile())
                found = Creation(
                    Builder(self.builder.bases, segments, self.builder.options),
                    self.target,
                    lambda: dataclasses.replace(self.header(), counts=written.counts),
                    self.seal,
                ).write(other)
                saved = written.size - found.size
                worth = saved >= max(LEAST_SAVED, LEAST_SHARE_SAVED * written.size)
                if worth and found.size < smallest.size:
                    smallest, chosen = found, other
            chosen.seek(0)
            copy_rest(chosen, out)
        return smallest


def _by_bytes(base: Bytes, target: Bytes) -> Iterator[list[SegmentSource]]:
    """The segments of patches by bytes: with what looks like weights apart; of one piece."""
    yield plain_segments(base, target)
    if len(target) <= SMALL:
        yield standalone_segments(target)


def _named(digests: Sequence[FileDigest], sources: Sequence[Source]) -> tuple[FileDigest, ...]:
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


def _check_time(created_at: int | None) -> int | None:
    """The time, unless a reader would refuse it.

    Raises:
        InputError: it is no time.
    """
    if created_at is None:
        return None
    if type(created_at) is not int or not 0 <= created_at < 2**63:
        raise InputError(
            f"expected created_at as whole seconds since 1970, found {created_at!r}; use int()"
        )
    return created_at


def _input_digest(version: Input, threads: int) -> FileDigest:
    """Size and digests of a file or folder, with the files of a folder."""
    sha256 = hashlib.sha256()
    blake = blake3(max_threads=threads)
    for stripe in stripes(version.content):
        sha256.update(stripe.data)
        blake.update(stripe.data)
    size = len(version.content)
    return FileDigest(size, blake.digest(), sha256.digest(), files=version.entries)
