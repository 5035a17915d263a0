"""Patches between two model files: create, apply, verify, info."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

from blake3 import blake3

from sapwood.codec import Coding
from sapwood.codec.chunk import Bytes
from sapwood.errors import (
    InputError,
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
    VerificationError,
)
from sapwood.modelfile import open_model
from sapwood.models.files import (
    Output,
    Source,
    atomic_output,
    path_name,
    read_source,
    unchanged,
)
from sapwood.models.folders import contents
from sapwood.models.results import PatchInfo, PatchStats, PatchVerification
from sapwood.models.segments import file_segments
from sapwood.models.signing import Demands, check_same, sealing
from sapwood.patch.applying import OpenPatch, decode_chunks, matched_bases, open_patch
from sapwood.patch.buffers import Buffers
from sapwood.patch.building import (
    DEFAULT_CHUNK,
    Builder,
    Options,
    Progress,
    silent,
)
from sapwood.patch.canonical_json import plain
from sapwood.patch.format import (
    DEFAULT_LIMITS,
    MAJOR,
    MOST_BASES,
    FileDigest,
    Header,
    Limits,
)
from sapwood.patch.pipeline import thread_count
from sapwood.patch.version import WRITER
from sapwood.patch.writing import write_all
from sapwood.trust import Accepted, signatures_of


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

    Safetensors files are patched tensor by tensor, matched by name or, where the name
    changed, by content. Any other file is patched as bytes: what stands anywhere in
    the source is copied, and stretches of changed weights are coded as such.

    Args:
        source: the version that the receiver has: a path, bytes or a binary file object.
            Or a list of several, for a target that was merged from them: whoever applies
            the patch needs them all.
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
        progress: is told how many bytes of the target are done.

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
    with (
        atomic_output(output) as out,
        unchanged(*sources, target),
        tempfile.TemporaryFile() as spool,
    ):
        olds, new = [read_source(one) for one in sources], read_source(target)
        old_files, new_file = [open_model(old) for old in olds], open_model(new)
        with ThreadPoolExecutor(2, "sapwood-hash") as hashing:
            digests = [hashing.submit(file_digest, data, count) for data in (*olds, new)]
            bases = list(zip(olds, old_files, strict=True))
            builder = Builder(olds, file_segments(bases, new, new_file), options, progress)

            def header() -> Header:
                return Header(
                    kind="model",
                    algorithm="delta",
                    bases=named([one.result() for one in digests[:-1]], sources),
                    target=digests[-1].result(),
                    base_format=old_files[0].format,
                    target_format=new_file.format,
                    dtype=None,
                    shape=(),
                    byte_order="little",
                    counts={},
                    writer=WRITER,
                    created_at=created_at,
                    metadata=notes,
                )

            written = builder.write(header, spool, out, seal)
    return PatchStats(
        source_size=sum(map(len, olds)),
        target_size=len(new),
        patch_size=written.size,
        tensors_modified=written.counts["tensors_modified"],
        tensors_unchanged=written.counts["tensors_unchanged"],
    )


def source_list(source: Source | Sequence[Source]) -> list[Source]:
    """One source, or those of a list.

    Raises:
        InputError: none, or more than a patch can have.
    """
    given = list(source) if isinstance(source, list | tuple) else [cast("Source", source)]
    if not 1 <= len(given) <= MOST_BASES:
        raise InputError(f"expected 1 to {MOST_BASES} sources, found {len(given)}")
    return given


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


def file_digest(data: Bytes, threads: int) -> FileDigest:
    """Size and digests of a whole file."""
    sha256 = hashlib.sha256(data.data).digest()
    return FileDigest(len(data), blake3(data.data, max_threads=threads).digest(), sha256)


def open_model_patch(data: Bytes, limits: Limits = DEFAULT_LIMITS) -> OpenPatch:
    """A patch of model files, its body's digest not yet checked."""
    opened = open_patch(data, limits)
    if opened.front.header.kind != "model":
        raise InputError(
            "expected a patch of model files, found one of a tensor; use sapwood.apply_patch"
        )
    return opened


def apply_patch(
    source: Source | Sequence[Source],
    patch: Source,
    output: Output,
    public_key: bytes | Sequence[bytes] | None = None,
    *,
    signature: Source | Sequence[Source] | None = None,
    minimum_counter: int = 0,
    threshold: int = 1,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> PatchVerification:
    """Makes the target of a patch from its source.

    Everything is checked: the signatures, where a public key is given, before anything of
    the patch but its header is parsed, the patch before anything is decoded, the source before
    anything is written, each chunk of the target as it is made and the whole by its
    SHA-256. The output takes its name only after that.

    Args:
        source: the file that the patch was made from: a path, bytes or a file object. Of
            a patch with several sources a list of them, in any order: they are told by
            their digests, and others among them do no harm. A path of a folder stands for
            the files in it and below: those of the right size are looked through.
        patch: a path, bytes or a file object.
        output: a path, which may be that of `source`, or a binary file object.
        public_key: of Ed25519, 32 bytes, or several: the keys that are trusted. With it a
            patch must be signed by one of them. Keys in the patch are never trusted.
        signature: a file of signatures that came beside the patch, or several.
        minimum_counter: signatures with a lower counter do not count. Demand more than the
            `counter` of the last patch that you took, and no older one can be passed to you.
        threshold: how many of the keys must have signed.
        threads: to use at once; by default one for each processor.
        limits: memory that the patch may ask for.
        progress: is told how many bytes of the target are done.

    Returns:
        A verification of which `is_valid()` is true.

    Raises:
        SignatureError: a public key is given, and the patch is not signed as demanded.
        SourceHashMismatch: the source is another file.
        InvalidPatch, TruncatedPatch, UnsupportedPatch: the patch is damaged or not ours.
        TargetHashMismatch: the result is wrong although source and patch are intact.
        LimitExceeded: the patch asks for more memory than allowed.
        InputError: keys or counters that are none, or those without a public key.
        IoError: a file cannot be read or written.
        After any of these the output is as it was.
    """
    count = thread_count(threads)
    demands = Demands.of(public_key, signature, minimum_counter, threshold)
    data = read_source(patch)
    accepted = demands.check(data, limits)
    opened = open_model_patch(data, limits)
    check_same(accepted, opened)
    opened.check_body(count)
    bases = matched_sources(opened, source, count)
    with atomic_output(output) as out:
        actual = write_target(opened, bases, count, out, progress)
    return verification(opened, actual, accepted)


def matched_sources(
    opened: OpenPatch, source: Source | Sequence[Source], threads: int
) -> list[Bytes]:
    """The bases of a patch, in its order, among the sources and below those that are folders.

    Raises:
        SourceHashMismatch: one is not there.
        IoError: a source cannot be read.
    """
    sizes = {base.size for base in opened.front.header.bases}
    given = contents(source_list(source), sizes.__contains__)
    return matched_bases(opened, given, threads)


def write_target(
    opened: OpenPatch,
    bases: Sequence[Bytes],
    threads: int,
    out: IO[bytes] | None,
    progress: Progress,
) -> bytes:
    """Decodes the target into a file, or into nothing, and returns its SHA-256.

    Raises:
        TargetHashMismatch: it is not the expected one.
    """
    buffers = Buffers()
    hasher = hashlib.sha256()
    for chunk in decode_chunks(opened, bases, buffers.place, threads, progress=progress):
        hasher.update(chunk.data.data)
        if out is not None:
            write_all(out, chunk.data.data)
        buffers.give_back(chunk.data)
    expected = opened.front.header.target.sha256
    actual = hasher.digest()
    if actual != expected:
        raise TargetHashMismatch(
            f"wrong result: expected SHA-256 {(expected or b'').hex()}, found {actual.hex()}; "
            "the output was discarded"
        )
    return actual


def verification(opened: OpenPatch, actual: bytes, accepted: Accepted | None) -> PatchVerification:
    """A verification in which everything was right."""
    expected = opened.front.header.target.sha256 or b""
    signed = None if accepted is None else True
    counter = None if accepted is None else accepted.counter
    return PatchVerification(True, True, signed, expected, actual, counter=counter)


def verify_patch(
    source: Source | Sequence[Source],
    patch: Source,
    public_key: bytes | Sequence[bytes] | None = None,
    *,
    signature: Source | Sequence[Source] | None = None,
    minimum_counter: int = 0,
    threshold: int = 1,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> PatchVerification:
    """Checks that a patch would apply, by doing everything but writing the target.

    Args:
        source: as of `apply_patch`.
        patch: as of `apply_patch`.
        public_key, signature, minimum_counter, threshold: as of `apply_patch`.
        threads: to use at once; by default one for each processor.
        limits: memory that the patch may ask for.
        progress: is told how many bytes of the target are done.

    Returns:
        What was found. A wrong source, a damaged payload or signatures that are not as
        demanded are told in it; `error` has the words.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch: not even the front can be read, so
            that there is nothing to tell of.
        LimitExceeded, IoError: as `apply_patch`.
    """
    count = thread_count(threads)
    demands = Demands.of(public_key, signature, minimum_counter, threshold)
    data = read_source(patch)
    opened = open_model_patch(data, limits)
    expected = opened.front.header.target.sha256 or b""
    errors: list[VerificationError | InvalidPatch] = []
    source_valid = patch_valid = True
    actual = None
    bases: list[Bytes] = []
    try:
        opened.check_body(count)
    except InvalidPatch as e:
        patch_valid = False
        errors.append(e)
    try:
        bases = matched_sources(opened, source, count)
    except SourceHashMismatch as e:
        source_valid = False
        errors.append(e)
    if source_valid and patch_valid:
        try:
            actual = write_target(opened, bases, count, None, progress)
        except (InvalidPatch, TargetHashMismatch) as e:
            patch_valid = False
            errors.append(e)
    error = "; ".join(map(str, errors)) or None
    found = PatchVerification(source_valid, patch_valid, None, expected, actual, error)
    return demands.judged(found, data, opened, limits)


def patch_info(patch: Source, *, limits: Limits = DEFAULT_LIMITS) -> PatchInfo:
    """What a patch says of itself; of its payloads nothing is read.

    Args:
        patch: of model files or of a tensor: a path, bytes or a file object.
        limits: memory that the patch may ask for.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as
            `apply_patch`.
    """
    data = read_source(patch)
    front = open_patch(data, limits).front
    header = front.header
    covered: Counter[Coding] = Counter()
    for segment in front.segments:
        for chunk, begin, end in segment.spans():
            covered[chunk.coding] += end - begin
    elements = {Coding.RESIDUAL, Coding.SPARSE, Coding.VALUE}
    base = header.bases[0]
    return PatchInfo(
        format=header.target_format,
        version=MAJOR,
        source_hash=base.sha256 or base.blake3,
        target_hash=header.target.sha256 or header.target.blake3,
        source_size=base.size,
        target_size=header.target.size,
        patch_size=len(data),
        compression="+".join(coding.name.lower() for coding, _ in covered.most_common()),
        neural=not elements.isdisjoint(covered),
        tensors_modified=header.counts.get("tensors_modified", 0),
        tensors_unchanged=header.counts.get("tensors_unchanged", 0),
        signed=bool(signatures_of(data, limits)),
        created_at=header.created_at,
    )
