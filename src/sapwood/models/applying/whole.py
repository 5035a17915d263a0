"""Applies, verifies and shows patches between model files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import IO

from sapwood.content.content import Content
from sapwood.errors import (
    InputError,
    InvalidPatch,
    SourceHashMismatch,
    TargetHashMismatch,
    VerificationError,
)
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.sources import Source
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits, thread_count
from sapwood.models.applying.arrays import (
    are_bases,
    forced_arrays,
    matched_arrays,
    memory_left,
    write_array,
)
from sapwood.models.applying.bases import matched_sources, source_list
from sapwood.models.applying.outputs import target_output
from sapwood.models.applying.resuming import Prefix, finished_prefix, resumable_output
from sapwood.models.receiving.demands import Demands
from sapwood.models.receiving.memory import fitting_threads, within
from sapwood.models.receiving.opening import checked_patch, open_model_patch
from sapwood.models.receiving.received import received
from sapwood.models.results import PatchVerification
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.progress import Progress, silent
from sapwood.trust import Accepted


def apply_patch(  # noqa: PLR0913 (a seed's parameters, and ours)
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
    memory: int | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> PatchVerification:
    """Makes the target of a patch from its source.

    Everything is checked: the signatures, where a public key is given, before anything of
    the patch but its header is parsed, the patch before anything is decoded, the source before
    anything is written, each chunk of the target as it is made and the whole by its
    SHA-256. The output takes its name only after that.

    Args:
        source: the file or folder that the patch was made from: a path, bytes or a file
            object. Of a folder the files that the patch lists are read, others do no harm. Of
            a patch with several sources a list of them, in any order: they are told by
            their digests, and others among them do no harm. A path of a folder stands for
            the files in it and below, too: those of the right size are looked through. Of a
            patch of a tensor .npy files of its bases, in whatever order the elements lie there;
            what is made is a .npy file with the header of the first.
        patch: a path, bytes, a file object, or the URL of one (http:// or https://; needs
            `sapwood[http]`). What is no regular file is spooled to a temporary file first, as
            the digest of all of it is compared before anything is decoded.
        output: a path, which may be that of `source`, or a binary file object. For a target
            that is a folder, a path where nothing is, or an empty folder.
        public_key: of Ed25519, 32 bytes, or several: the keys that are trusted. With it a
            patch must be signed by one of them. Keys in the patch are never trusted.
        signature: a file of signatures that came beside the patch, or several.
        minimum_counter: signatures with a lower counter do not count. Demand more than the
            `counter` of the last patch that you took, and no older one can be passed to you.
        threshold: how many of the keys must have signed.
        threads: to use at once; by default one for each processor.
        limits: memory that the patch may ask for.
        memory: bytes of anonymous memory that applying may take beyond what the process
            has when everything is imported, 16 MiB at least. Fewer threads are used where that
            is needed; a patch that does not fit is refused before anything is decoded. Of .npy
            files whose elements lie in another order than a patch of a tensor has them, these
            are in memory whole.
        resume: go on where an earlier try with `resume` was cut short: with the download, and
            with the output, which must be a path. What is there is compared with the digests
            in the patch. After an IoError, an interrupt or a kill what was done stays, in
            hidden files `.NAME.*.download` and `.NAME.*.part` beside the output.
        force: apply a patch of a tensor to other .npy files of its dtype and shape, several in
            the order in which it was made from them, and check no result, which then means
            nothing unless they differ from the right ones where the patch copies.
        progress: is told how many bytes of the target are done.

    Returns:
        A verification of which `is_valid()` is true; with `force`, one that tells whether source
        and result are those of the patch.

    Raises:
        SignatureError: a public key is given, and the patch is not signed as demanded.
        SourceHashMismatch: the source is another file; with `force`, one against which nothing
            can be decoded.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType: the patch is of a
            tensor, and the source no .npy file, or one of other elements.
        InvalidPatch, TruncatedPatch, UnsupportedPatch: the patch is damaged or not ours.
        TargetHashMismatch: the result is wrong although source and patch are intact.
        LimitExceeded: the patch asks for more memory than allowed.
        InputError: keys or counters that are none, or those without a public key; an output
            that cannot become a folder; a URL without httpx2; less memory than can do; an output
            to resume at that is no path, or becomes a folder; a patch of a tensor to resume;
            any other to force, or one to force that must be signed.
        IoError: a file cannot be read or written, a server does not answer as it should, or
            another process resumes the same.
        After any of these the output is as it was.
    """
    count = thread_count(threads)
    allowed = within(memory, limits)
    demands = Demands.of(public_key, signature, minimum_counter, threshold)
    if force and demands.trust is not None:
        raise InputError("force gives up what public_key demands; leave one of them out")
    with received(patch, allowed, resumed=output if resume else None) as data:
        opened, accepted = checked_patch(data.data, demands, count, allowed, tensors=not resume)
        if force:
            return forced(opened, source_list(source), output, count, memory, progress)
        write = target_writer(opened, source, count, memory, progress)
        if not resume:
            with target_output(output, opened.front.header.target.files) as out:
                actual = write(out, None)
        else:
            with resumable_output(output, opened) as out:
                actual = write(out, finished_prefix(opened, out))
    return verification(opened, actual, accepted)


def target_writer(
    opened: OpenPatch,
    source: Source | Sequence[Source],
    threads: int,
    memory: int | None,
    progress: Progress,
) -> Callable[[IO[bytes] | None, Prefix | None], bytes]:
    """What writes the target of a patch, as `write_target` or `write_array`, now that all is there.

    Args:
        opened: the patch.
        source, memory, progress: as of `apply_patch`.
        threads: to use at once, where there is room for them.

    Raises:
        SourceHashMismatch, LimitExceeded, IoError: as `apply_patch`, and what it raises of .npy
            files.
    """
    count = fitting_threads(opened, memory, threads)
    if opened.front.header.kind != "tensor":
        bases = matched_sources(opened, source, count)
        return lambda out, done: write_target(opened, bases, count, out, progress, done)
    arrays = matched_arrays(opened, source_list(source), count, memory)
    count = fitting_threads(opened, memory_left(opened, arrays, memory), threads)
    return lambda out, _: write_array(opened, arrays, count, out, progress)


def forced(
    opened: OpenPatch,
    sources: Sequence[Source],
    output: Output,
    threads: int,
    memory: int | None,
    progress: Progress,
) -> PatchVerification:
    """Applies a patch of a tensor to whatever it can be applied to; as `apply_patch` with force."""
    if opened.front.header.kind != "tensor":
        raise InputError(
            "a patch of whole files cannot be forced; apply it to the base that it was made from"
        )
    arrays = forced_arrays(opened, sources, memory)
    count = fitting_threads(opened, memory_left(opened, arrays, memory), threads)
    with atomic_output(output) as out:
        actual = write_array(opened, arrays, count, out, progress, checked=False)
    found = verification(opened, actual, None)
    return dataclasses.replace(found, source_valid=are_bases(opened, arrays, count))


def write_target(
    opened: OpenPatch,
    bases: Sequence[Content],
    threads: int,
    out: IO[bytes] | None,
    progress: Progress,
    done: Prefix | None = None,
) -> bytes:
    """Decodes the target into a file, or into nothing, and returns its SHA-256.

    Args:
        opened: the patch.
        bases: in its order.
        threads: that decode at once.
        out: positioned where the target goes on.
        progress: who listens.
        done: what of the target is there already.

    Raises:
        TargetHashMismatch: it is not the expected one.
    """
    buffers = Buffers()
    begun = Prefix.empty() if done is None else done
    hasher = begun.hasher
    for chunk in decode_chunks(
        opened, bases, buffers.place, threads, start=begun.size, progress=progress
    ):
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
    signed = None if accepted is None else True
    counter = None if accepted is None else accepted.counter
    target = opened.front.header.target
    return PatchVerification(
        True,
        True,
        signed,
        target.digest,
        actual,
        counter=counter,
        digest_algorithm=target.digest_algorithm,
    )


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
    memory: int | None = None,
    progress: Progress = silent,
) -> PatchVerification:
    """Checks that a patch would apply, by doing everything but writing the target.

    Args:
        source: as of `apply_patch`.
        patch: as of `apply_patch`.
        public_key, signature, minimum_counter, threshold: as of `apply_patch`.
        threads: to use at once; by default one for each processor.
        limits: memory that the patch may ask for.
        memory: as of `apply_patch`.
        progress: is told how many bytes of the target are done.

    Returns:
        What was found. A wrong source, a damaged payload or signatures that are not as
        demanded are told in it; `error` has the words.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch: not even the front can be read, so
            that there is nothing to tell of.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType: as `apply_patch`.
        LimitExceeded, IoError: as `apply_patch`.
    """
    count = thread_count(threads)
    allowed = within(memory, limits)
    demands = Demands.of(public_key, signature, minimum_counter, threshold)
    with received(patch, allowed) as data:
        opened = open_model_patch(data, allowed, tensors=True)
        count = fitting_threads(opened, memory, count)
        found = judged_target(opened, source, count, memory, progress)
        return demands.judged(found, data, opened, allowed)


def judged_target(
    opened: OpenPatch,
    source: Source | Sequence[Source],
    threads: int,
    memory: int | None,
    progress: Progress,
) -> PatchVerification:
    """What is right and wrong with a patch and its sources; signatures are not looked at."""
    target = opened.front.header.target
    errors: list[VerificationError | InvalidPatch] = []
    source_valid = patch_valid = True
    actual = write = None
    try:
        opened.check_body(threads)
    except InvalidPatch as e:
        patch_valid = False
        errors.append(e)
    try:
        write = target_writer(opened, source, threads, memory, progress)
    except SourceHashMismatch as e:
        source_valid = False
        errors.append(e)
    if write is not None and patch_valid:
        try:
            actual = write(None, None)
        except (InvalidPatch, TargetHashMismatch) as e:
            patch_valid = False
            errors.append(e)
    error = "; ".join(map(str, errors)) or None
    return PatchVerification(
        source_valid,
        patch_valid,
        None,
        target.digest,
        actual,
        error,
        digest_algorithm=target.digest_algorithm,
    )
