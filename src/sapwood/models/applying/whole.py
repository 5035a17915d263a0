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
from sapwood.files.holes import SparseWriter
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.sources import Source
from sapwood.models.applying.arrays import (
    are_bases,
    array_threads,
    forced_arrays,
    matched_arrays,
    write_array,
)
from sapwood.models.applying.bases import matched_sources, source_list
from sapwood.models.applying.outputs import target_output
from sapwood.models.applying.resuming import Prefix, finished_prefix, resumable_output
from sapwood.models.receiving.opening import (
    Delivery,
    Received,
    check_trust,
    delivery,
    receive,
)
from sapwood.models.receiving.receiving import ANYBODY, Receiving, trusting
from sapwood.models.results import PatchApplication, PatchVerification
from sapwood.patch.applying.buffers import Buffers
from sapwood.patch.applying.decoding import decode_chunks
from sapwood.patch.applying.opening import OpenPatch
from sapwood.progress import Progress


def apply_patch(
    source: Source | Sequence[Source],
    patch: Source | Received,
    output: Output,
    public_key: bytes | Sequence[bytes] | None = None,
    *,
    signature: Source | Sequence[Source] | None = None,
    resume: bool = False,
    force: bool = False,
    receiving: Receiving = ANYBODY,
) -> PatchApplication:
    """Makes the target of a patch from its source.

    Everything is checked: the signatures, where keys are trusted, before anything of the
    patch but its header is parsed, the patch before anything is decoded, the source before
    anything is written, each chunk of the target as it is made and the whole by its
    SHA-256. The output takes its name only after that. Long runs of zeros in it are holes where
    the file system has such.

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
            the digest of all of it is compared before anything is decoded. Or one that
            `receive` gave.
        output: a path, which may be that of `source`, or a binary file object. For a target
            that is a folder, a path where nothing is, or an empty folder.
        public_key: of Ed25519, 32 bytes, or several: short for `receiving.trust` with those keys.
        signature: a file of signatures that came beside the patch, or several.
        resume: go on where an earlier try with `resume` was cut short: with the download, and
            with the output, which must be a path. What is there is compared with the digests
            in the patch. After an IoError, an interrupt or a kill what was done stays, in
            hidden files `.NAME.*.download` and `.NAME.*.part` beside the output.
        force: apply a patch of a tensor to other .npy files of its dtype and shape, several in
            the order in which it was made from them, and check no result, which then means
            nothing unless they differ from the right ones where the patch copies. Which codings
            decode against others is said of `sapwood.apply_patch`; where one does not, the error
            says so. A patch of whole files cannot be forced: it takes bytes from their places.
        receiving: whom to trust, and what the patch may take. Of .npy files whose elements lie in
            another order than a patch of a tensor has them, these are in memory whole.

    Returns:
        What was made; its `is_valid()` is true. With `force` it tells whether source and result
        are those of the patch.

    Raises:
        SignatureError: keys are trusted, and the patch is not signed as demanded.
        SourceHashMismatch: the source is another file; with `force`, one against which nothing
            can be decoded.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType: the patch is of a
            tensor, and the source no .npy file, or one of other elements.
        InvalidPatch, TruncatedPatch, UnsupportedPatch: the patch is damaged or not ours.
        TargetHashMismatch: the result is wrong although source and patch are intact.
        LimitExceeded: the patch asks for more memory than allowed.
        InputError: a key that is none, or signatures without a key; an output that cannot
            become a folder; a URL without httpx2; an output to resume at that is no path, or
            becomes a folder; a patch of a tensor to resume; any other to force, or one to force
            that must be signed.
        IoError: a file cannot be read or written, a server does not answer as it should, or
            another process resumes the same.
        After any of these the output is as it was.
    """
    receiving = trusting(receiving, public_key)
    if force and receiving.trust is not None:
        raise InputError("force gives up what trust in keys demands; leave one of them out")
    kept = output if resume else None
    with receive(
        patch, receiving, signature=signature, resumed=kept, tensors=not resume
    ) as received:
        if force:
            return _forced(received, source_list(source), output, receiving)
        opened = received.opened
        writer = _target_writer(opened, source, receiving)
        if not resume:
            with target_output(output, opened.front.header.target.files) as out:
                actual = writer.write(out, None)
        else:
            with resumable_output(output, opened) as out:
                actual = writer.write(out, finished_prefix(opened, out))
    return application(received, actual, writer.size)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TargetWriter:
    """What writes the target of a patch, now that all is there that it takes.

    Attributes:
        size: bytes of what is written.
        write: writes it into a file or into nothing, behind the prefix that is there already, and
            gives its digest; raises as `write_target` or `write_array`.
    """

    size: int
    write: Callable[[IO[bytes] | None, Prefix | None], bytes]


def _target_writer(
    opened: OpenPatch, source: Source | Sequence[Source], receiving: Receiving
) -> TargetWriter:
    """What writes the target of a patch from its sources.

    Args:
        opened: the patch, opened.
        source, receiving: as of `apply_patch`.

    Raises:
        SourceHashMismatch, LimitExceeded, IoError: as `apply_patch`, and what it raises of .npy
            files.
    """
    count, progress = receiving.fitting(opened), receiving.progress
    if opened.front.header.kind != "tensor":
        bases = matched_sources(opened, source, count)
        size = opened.front.header.target.size
        return TargetWriter(
            size, lambda out, done: write_target(opened, bases, count, out, progress, done)
        )
    arrays = matched_arrays(opened, source_list(source), count, receiving.memory)
    threads = array_threads(opened, arrays, receiving)
    return TargetWriter(
        arrays[0].size, lambda out, _: write_array(opened, arrays, threads, out, progress)
    )


def _forced(
    received: Received, sources: Sequence[Source], output: Output, receiving: Receiving
) -> PatchApplication:
    """Applies a patch of a tensor to whatever it can be applied to; as `apply_patch` with force."""
    opened = received.opened
    if received.header.kind != "tensor":
        raise InputError(
            "a patch of whole files cannot be forced: it takes bytes from their places in its "
            "base, and knows no others; apply it to the base that it was made from"
        )
    arrays = forced_arrays(opened, sources, receiving.memory)
    count = array_threads(opened, arrays, receiving)
    with atomic_output(output) as out:
        actual = write_array(opened, arrays, count, out, receiving.progress, checked=False)
    source_valid = are_bases(opened, arrays, count)
    found = application(received, actual, arrays[0].size)
    return dataclasses.replace(found, source_valid=source_valid, checked=False)


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
        opened: the patch, opened.
        bases: the contents of its bases, in its order, borrowed.
        threads: how many threads decode at once.
        out: a file, positioned where the target goes on; None to decode it only.
        progress: is told how many bytes of the target are done.
        done: the beginning of the target that is there already; None for nothing.

    Raises:
        InvalidPatch: a payload is damaged.
        TargetHashMismatch: a chunk or the whole is not the expected one.
        OSError: from `out`.
    """
    buffers = Buffers()
    begun = Prefix.empty() if done is None else done
    hasher = begun.hasher
    writer = None if out is None else SparseWriter(out)
    for chunk in decode_chunks(
        opened, bases, buffers.place, threads, start=begun.size, progress=progress
    ):
        hasher.update(chunk.data.data)
        if writer is not None:
            writer.write(chunk.data)
        buffers.give_back(chunk.data)
    if writer is not None:
        writer.finish()
    expected = opened.front.header.target.sha256
    actual = hasher.digest()
    if actual != expected:
        raise TargetHashMismatch(
            f"wrong result: expected SHA-256 {(expected or b'').hex()}, found {actual.hex()}; "
            "the output was discarded"
        )
    return actual


def application(received: Received, actual: bytes, size: int | None = None) -> PatchApplication:
    """What applying a patch came to, in which everything was right.

    Args:
        received: the patch.
        actual: the digest of what was made, 32 bytes.
        size: bytes of what was made, where it is more than what the patch has a digest of;
            else None.
    """
    header, accepted = received.header, received.accepted
    return PatchApplication(
        source_valid=True,
        patch_valid=True,
        signature_valid=None if accepted is None else True,
        expected_target=header.target.digest,
        actual_target=actual,
        counter=None if accepted is None else accepted.counter,
        digest_algorithm=header.target.digest_algorithm,
        kind=header.kind,
        format=header.target_format,
        bases=header.bases,
        target=header.target,
        target_size=header.target.size if size is None else size,
        patch_size=received.size,
    )


def verify_patch(
    source: Source | Sequence[Source],
    patch: Source | Delivery,
    public_key: bytes | Sequence[bytes] | None = None,
    *,
    signature: Source | Sequence[Source] | None = None,
    receiving: Receiving = ANYBODY,
) -> PatchVerification:
    """Checks that a patch would apply, by doing everything but writing the target.

    Args:
        source: as of `apply_patch`.
        patch: as of `apply_patch`; or one that `delivery` gave.
        public_key, signature, receiving: as of `apply_patch`.

    Returns:
        What was found. A wrong source, a damaged payload or signatures that are not as
        demanded are told in it; `error` has the words.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch: not even the front can be read, so
            that there is nothing to tell of.
        InvalidModelFile, DtypeMismatch, ShapeMismatch, UnsupportedType: as `apply_patch`.
        LimitExceeded, IoError: as `apply_patch`.
    """
    receiving = trusting(receiving, public_key)
    check_trust(receiving, signature)
    with delivery(patch, receiving, signature=signature) as delivered:
        found = _judged_target(delivered.opened(), source, receiving)
        return delivered.judged(found)


def _judged_target(
    opened: OpenPatch, source: Source | Sequence[Source], receiving: Receiving
) -> PatchVerification:
    """What is right and wrong with a patch and its sources; signatures are not looked at."""
    target = opened.front.header.target
    errors: list[VerificationError | InvalidPatch] = []
    source_valid = patch_valid = True
    actual = writer = None
    try:
        opened.check_body(receiving.most_threads)
    except InvalidPatch as e:
        patch_valid = False
        errors.append(e)
    try:
        writer = _target_writer(opened, source, receiving)
    except SourceHashMismatch as e:
        source_valid = False
        errors.append(e)
    if writer is not None and patch_valid:
        try:
            actual = writer.write(None, None)
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
        kind=opened.front.header.kind,
    )
