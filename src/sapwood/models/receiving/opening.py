"""The one way to receive a patch, from whoever sends it to a patch that may be applied.

Signatures are checked first: until then no more is parsed than preamble and header. What was
parsed is kept, so that nothing of a front is read twice and nobody can change it in between. The
body's digest comes last, and only where the body is here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import cast

from sapwood.content.content import Content
from sapwood.errors import InputError, SignatureError
from sapwood.fetching.openers import Fetching
from sapwood.fetching.urls import shown
from sapwood.files.outputs import Output
from sapwood.files.paths import path_name
from sapwood.files.sources import Source, read_source
from sapwood.models.receiving.ranges import RemotePatch, patch_parts
from sapwood.models.receiving.received import received
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import PatchVerification
from sapwood.patch.applying.opening import OpenPatch, open_checked
from sapwood.patch.format.front import Header
from sapwood.patch.format.parsing import CheckedFront, checked_front
from sapwood.patch.signatures import LARGEST_FILE, check_patch
from sapwood.trust import Accepted, Trust


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A patch that came, and of which nothing is believed yet.

    Attributes:
        data: the patch; of one that stays on a server the front alone is here.
        front: the front, its digest right and its header parsed.
        detached: the contents of the files of signatures that came with it, not parsed.
        receiving: whom its receiver trusts, and what it may take.
        name: the path or URL that it came from, as it may be shown; None for bytes and streams.
    """

    data: Content
    front: CheckedFront
    detached: tuple[bytes, ...]
    receiving: Receiving
    name: str | None

    @property
    def header(self) -> Header:
        """The header."""
        return self.front.header

    def accepted(self) -> Accepted | None:
        """What the patch is accepted for; None where nothing is demanded.

        Raises:
            SignatureError: it is not signed as demanded.
            InvalidPatch: the list of its signatures is damaged.
        """
        if self.receiving.trust is None:
            return None
        return check_patch(self.front, self.receiving.trust, self.detached)

    def opened(self) -> OpenPatch:
        """The patch with its index parsed; of its body nothing is read.

        Raises:
            InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: index or tables are
                damaged, or the patch is not of the length that it says.
        """
        opened = open_checked(self.front, self.data, self.receiving.allowed)
        if isinstance(self.data, RemotePatch):
            return dataclasses.replace(opened, body=self.data.body)
        return opened

    def judged(self, found: PatchVerification) -> PatchVerification:
        """What was found of the patch otherwise, with what there is to say of its signatures."""
        try:
            accepted = self.accepted()
        except SignatureError as e:
            error = str(e) if found.error is None else f"{e}; {found.error}"
            return dataclasses.replace(found, signature_valid=False, error=error)
        if accepted is None:
            return found
        return dataclasses.replace(found, signature_valid=True, counter=accepted.counter)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A patch that may be applied: signed as demanded, its front parsed, its body whole.

    Attributes:
        opened: the patch. Of one that stays on a server the body was not checked; its chunks are,
            one by one.
        data: the whole patch, as it came.
        trust: whom the receiver trusts; None where nothing was demanded.
        accepted: what the patch is accepted for; None where nothing was demanded.
        name: the path or URL that it came from, as it may be shown; None for bytes and streams.
    """

    opened: OpenPatch
    data: Content
    trust: Trust | None
    accepted: Accepted | None
    name: str | None

    @property
    def header(self) -> Header:
        """The header."""
        return self.opened.front.header

    @property
    def size(self) -> int:
        """Bytes of the whole patch."""
        return self.opened.front.patch_size

    @property
    def is_here(self) -> bool:
        """Whether the whole patch is here, and none of it still on a server."""
        return not isinstance(self.data, RemotePatch)


@contextlib.contextmanager
def receive(
    patch: Source | Received,
    receiving: Receiving = ANYBODY,
    *,
    signature: Source | Sequence[Source] | None = None,
    resumed: Output | None = None,
    parts: bool = False,
    tensors: bool = False,
) -> Iterator[Received]:
    """Receives a patch: signatures, front and body are checked, in this order and once.

    What comes from a URL lies in a temporary file while the block lasts, and afterwards as
    long as it is in use.

    Args:
        patch: a path, bytes, a file object or a URL; or a patch that was received already, with
            the same trust, which is given back as it is.
        receiving: whom to trust and what the patch may take.
        signature: a file of signatures that came beside the patch, or several.
        resumed: the output beside which a download is kept when it or the block is cut
            short, and where an earlier one is looked for; None to keep nothing.
        parts: whether parts of the patch are going to be read: on a server that gives parts it
            stays there but for its front, and its chunks are for the reader to check.
        tensors: whether a patch of a tensor is taken too.

    Raises:
        SignatureError: it is not signed as demanded; nothing but its header was parsed.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the patch is damaged, or
            takes more than is allowed.
        InputError: it is of a tensor where those are not taken; signatures without anybody to
            trust; `resumed` is no path.
        IoError: it cannot be had.
    """
    if isinstance(patch, Received):
        _check_again(patch, receiving, signature, parts=parts)
        _check_kind(patch.header, tensors=tensors)
        yield patch
        return
    check_trust(receiving, signature)
    with delivery(patch, receiving, signature=signature, resumed=resumed, parts=parts) as delivered:
        found = _believed(delivered, tensors=tensors)
        del delivered  # with the bytes of the front, which are parsed now
        yield found


def _check_again(
    patch: Received,
    receiving: Receiving,
    signature: Source | Sequence[Source] | None,
    *,
    parts: bool,
) -> None:
    """That a patch was received as it would be now.

    Raises:
        InputError: it was not.
    """
    if signature is not None or receiving.trust not in (None, patch.trust):
        raise InputError("the patch was received by other trust than this; receive it anew")
    if not (parts or patch.is_here):
        raise InputError("parts of the patch are still on a server; receive all of it")


def _believed(delivered: Delivery, *, tensors: bool) -> Received:
    """A delivery that passed every check; raises as `receive`."""
    receiving = delivered.receiving
    accepted = delivered.accepted()
    opened = delivered.opened()
    _check_kind(opened.front.header, tensors=tensors)
    found = Received(opened, delivered.data, receiving.trust, accepted, delivered.name)
    if found.is_here:
        opened.check_body(receiving.most_threads)
    return found


@contextlib.contextmanager
def delivery(
    patch: Source | Delivery,
    receiving: Receiving = ANYBODY,
    *,
    signature: Source | Sequence[Source] | None = None,
    resumed: Output | None = None,
    parts: bool = False,
) -> Iterator[Delivery]:
    """A patch of which the header is parsed and nothing else is checked, for who judges it.

    Args:
        patch: as of `receive`; or a delivery, which is given back as it is.
        receiving, signature, resumed, parts: as of `receive`.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the front is damaged.
        InputError, IoError: as `receive`.
    """
    if isinstance(patch, Delivery):
        yield patch
        return
    limits = receiving.allowed
    detached = _read_signatures(signature)
    with contextlib.ExitStack() as stack:
        data: Content
        if parts:
            data = patch_parts(patch, limits, receiving.fetching)
        else:
            coming = received(
                patch,
                limits,
                resumed=resumed,
                progress=receiving.download,
                fetching=receiving.fetching,
            )
            data = stack.enter_context(coming)
        name = _origin_of(patch, receiving.fetching)
        # Not kept here: who believes the patch has no more use for the bytes of its front.
        yield Delivery(data, checked_front(data, limits), detached, receiving, name)


def _check_kind(header: Header, *, tensors: bool) -> None:
    """Refuses patches of tensors where those of files are expected.

    Raises:
        InputError: it is one.
    """
    if header.kind == "tensor" and not tensors:
        raise InputError(
            "expected a patch of model files, found one of a tensor; apply that whole: to a .npy "
            "file with 'sapwood apply' or models.apply_patch, to an array with sapwood.apply_patch"
        )


def check_trust(receiving: Receiving, signature: Source | Sequence[Source] | None) -> None:
    """Refuses signatures beside a patch where nobody is trusted: nothing would be checked.

    Raises:
        InputError: there are some.
    """
    if signature is not None and receiving.trust is None:
        raise InputError(
            "signature says nothing without anybody to trust; give the key that you go by"
        )


def _read_signatures(signature: Source | Sequence[Source] | None) -> tuple[bytes, ...]:
    """The contents of a file of signatures, or of several, none of them parsed.

    Raises:
        InputError: it is nothing of the kind.
        IoError: a file cannot be read.
    """
    given = signature if isinstance(signature, list | tuple) else [signature]
    files = [cast("Source", one) for one in given if one is not None]
    # One that is longer than any can be is refused when it is parsed.
    return tuple(read_source(one)[: LARGEST_FILE + 1].tobytes() for one in files)


def _origin_of(patch: Source, fetching: Fetching) -> str | None:
    """Where a patch comes from, as it may be shown; None of what has no name."""
    if fetching.is_url(patch):
        return shown(patch)
    return path_name(patch) if isinstance(patch, str | os.PathLike) else None
