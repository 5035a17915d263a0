"""Chains of patches in a file: made, appended to, shown, and taken apart again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from typing import IO

from sapwood.content.content import Bytes, Content
from sapwood.content.parts import stripes
from sapwood.errors import Busy, Changed, InputError
from sapwood.files.locks import is_named, take_lock
from sapwood.files.outputs import Output, atomic_output
from sapwood.files.paths import names_content, path_name, resolved
from sapwood.files.refusals import os_errors
from sapwood.files.sources import Source, mapped, read_source
from sapwood.files.syncing import sync_open
from sapwood.files.writing import write_all
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.chains.format import (
    BLOCK,
    FORWARD,
    REVERSE,
    START,
    UNWRITTEN,
    ChainHead,
    check_link,
    link_of,
    objection,
    padding,
    parse_chain,
    serialise_head,
)
from sapwood.models.chains.versions import Chain, Link
from sapwood.models.locating import located
from sapwood.models.receiving.opening import receive
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.patch.format.front import Header


def create_chain(
    patches: Sequence[Source],
    output: Output,
    *,
    reverse: Sequence[Source] = (),
    receiving: Receiving = ANYBODY,
) -> Chain:
    """Puts patches into a chain, one after another.

    Args:
        patches: those of model files, each from what the one before leads to: paths, bytes or file
            objects. At least one.
        output: where the chain goes: a path, replaced only when the chain is whole, or a
            binary file object.
        reverse: patches that lead back over some of them, in any order.
        receiving: whose signatures the patches must have, and memory that their fronts may ask for.

    Returns:
        The chain, as it was read again.

    Raises:
        InputError: a patch is of a tensor or has several bases, does not follow the one
            before, or leads back over none.
        SignatureError: a patch is not signed as demanded.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: a patch is damaged.
        IoError: a file cannot be read or written.
        After any of these the output is as it was.
    """
    if not patches:
        raise InputError("a chain has at least one patch; give the first")
    backs = [_addition(one, receiving) for one in reverse]
    links: list[Link] = []
    with atomic_output(output) as out:
        write_all(out, memoryview(START))
        for one in patches:
            patch = _addition(one, receiving)
            links.append(_fitting(patch, links, FORWARD))
            _write_record(out, patch.data, links[-1])
            back = _taken(backs, links[-1])
            if back is not None:
                links.append(_fitting(back, links, REVERSE))
                _write_record(out, back.data, links[-1])
        if backs:
            raise InputError(
                f"{len(backs)} of the reverse patches lead back over none of the links; "
                "leave them out"
            )
        out.flush()
        return parse_chain(mapped(out), receiving.allowed)


def append_to_chain(
    chain: str | os.PathLike[str],
    patch: Source,
    *,
    reverse: Source | None = None,
    receiving: Receiving = ANYBODY,
) -> Chain:
    """Puts a patch at the end of a chain, in its file.

    Whenever this is stopped, by a kill or a power cut too, the file is the old chain or the
    new one; whoever reads it meanwhile sees the old one. What an earlier writer left
    unfinished at the end is replaced.

    Args:
        chain: the path of the chain.
        patch: a patch of model files, from the chain's newest version.
        reverse: the patch that leads back over it.
        receiving: whose signatures the patches must have, and memory that their fronts may ask for.

    Returns:
        The chain, as it was read again.

    Raises:
        InputError: the patch does not follow, or the reverse does not lead back; the chain is a
            blob, whose name is the digest of what is in it.
        SignatureError: a patch is not signed as demanded.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the chain or a patch is
            damaged.
        Busy: somebody else is appending.
        Changed: another chain has its name by now.
        IoError: a file cannot be read or written.
        After any of these the chain is as it was, without what was unfinished.
    """
    name = path_name(chain)
    given = [_addition(one, receiving) for one in (patch, reverse) if one is not None]
    busy = Busy(f"{name}: somebody else is appending to it; try again after that")
    real = resolved(name)
    if names_content(real):
        raise InputError(
            f"{name}: {real} is named by the digest of what is in it; append to a copy"
        )
    with os_errors(name, hidden=True), real.open("r+b", buffering=0) as file:
        take_lock(file.fileno(), busy)
        if not is_named(real, file.fileno()):
            raise Changed(f"{name}: replaced by another chain meanwhile; try again")
        found = parse_chain(mapped(file), receiving.allowed)
        links = list(found.links)
        for one, kind in zip(given, (FORWARD, REVERSE), strict=False):
            links.append(_fitting(one, links, kind))
        contents = [one.data for one in given]
        try:
            _write_at_end(file, found, list(zip(contents, links[len(found.links) :], strict=True)))
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(found.size)
            raise
        return parse_chain(mapped(file), receiving.allowed)


def chain_info(chain: Source, *, limits: Limits = DEFAULT_LIMITS) -> Chain:
    """What a chain says of itself; of its patches no more than the fronts is read.

    Args:
        chain: a path, bytes or a file object.
        limits: memory that the front of a patch may ask for.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: it is damaged.
        IoError: it cannot be read.
    """
    return parse_chain(read_source(chain), limits)


def extract_patch(
    chain: Source,
    number: int,
    output: Output,
    *,
    reverse: bool = False,
    receiving: Receiving = ANYBODY,
) -> Link:
    """Writes a patch of a chain as the file that it was.

    Args:
        chain: a path, bytes or a file object.
        number: the number of the link, from 0; a negative one counts from the end.
        output: where the patch goes: a path or a binary file object.
        reverse: write the patch that leads back over the link.
        receiving: whose signatures the patch must have, and memory that fronts may ask for.

    Raises:
        InputError: there is no such link, or it has no reverse.
        SignatureError: the patch is not signed as demanded.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded: the chain or this patch
            is damaged.
        IoError: a file cannot be read or written.
        After any of these the output is as it was.
    """
    data = read_source(chain)
    link = parse_chain(data, receiving.allowed).link(number, reverse=reverse)
    with atomic_output(output) as out:
        for stripe in stripes(_addition(patch_of(data, link), receiving).data):
            write_all(out, stripe.data)
    return link


def patch_of(data: Bytes, link: Link) -> memoryview:
    """A patch in the bytes of its chain, borrowed."""
    return data[link.offset : link.offset + link.size].data


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """A patch to be put into a chain, of which every digest is right.

    Attributes:
        data: the whole patch.
        header: its header.
        digest: the BLAKE3 that names it, 32 bytes.
    """

    data: Content
    header: Header
    digest: bytes

    def head(self, kind: int) -> ChainHead:
        """The head of its record."""
        return ChainHead(kind, len(self.data), self.digest)


def _addition(patch: Source, receiving: Receiving) -> Addition:
    """Receives a patch of model files that leads from one base.

    Raises:
        InputError: it is of a tensor, or of several bases.
        SignatureError, InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, IoError: as
            `receive`.
    """
    with (
        located(path_name(patch) if isinstance(patch, str | os.PathLike) else None),
        receive(patch, receiving) as received,
    ):
        bases = len(received.header.bases)
        if bases != 1:
            raise InputError(
                f"a patch of {bases} bases leads on from none of them alone; "
                "leave it out of the chain"
            )
        return Addition(received.data, received.header, received.opened.front.digest)


def _fitting(patch: Addition, before: Sequence[Link], kind: int) -> Link:
    """A patch as the next link.

    Raises:
        InvalidPatch: it is of a folder.
        InputError: it does not fit.
    """
    check_link(patch.header)
    link = link_of(patch.header, patch.head(kind), before, _next_offset(before))
    wrong = objection(before, link)
    if wrong is not None:
        raise InputError(f"{wrong}; give the patches in their order")
    return link


def _next_offset(before: Sequence[Link]) -> int:
    """Where in a chain the patch of the next record begins."""
    if not before:
        return 2 * BLOCK
    last = before[-1]
    return last.offset + last.size + padding(last.size) + BLOCK


def _taken(backs: list[Addition], link: Link) -> Addition | None:
    """Takes the patch that leads back over a link from a list, if there is one."""
    for i, one in enumerate(backs):
        check_link(one.header)
        if objection([link], link_of(one.header, one.head(REVERSE), [link], 0)) is None:
            return backs.pop(i)
    return None


def _write_record(out: IO[bytes], patch: Content, link: Link) -> None:
    """Writes a record to the end of a chain.

    Raises:
        OSError: from the file.
    """
    write_all(out, memoryview(_head_of(link)))
    _write_content(out, patch)


def _write_content(out: IO[bytes], patch: Content) -> None:
    """Writes what follows a head.

    Raises:
        OSError: from the file.
    """
    for stripe in stripes(patch):
        write_all(out, stripe.data)
    write_all(out, memoryview(bytes(padding(len(patch)))))


def _head_of(link: Link) -> bytes:
    """The head of the record of a link."""
    return serialise_head(ChainHead(REVERSE if link.reverse else FORWARD, link.size, link.patch))


def _write_at_end(file: IO[bytes], chain: Chain, records: Sequence[tuple[Content, Link]]) -> None:
    """Appends records such that a stop at any instant leaves the chain as it was, or whole.

    Each step waits for the disk: otherwise, after a power cut, a head could be there before
    what it is the head of.

    Args:
        file: the file of the chain, unbuffered.
        chain: the chain that it holds.
        records: patches and their links; the first one's head is written last.

    Raises:
        OSError: from the file, which then holds something unfinished at its end.
    """
    (first, link), *others = records

    def clear() -> None:
        # Before the file grows: an unfinished record must not come to fit.
        file.seek(chain.size)
        write_all(file, memoryview(UNWRITTEN))
        file.truncate()

    def fill() -> None:
        _write_content(file, first)
        for patch, other in others:
            _write_record(file, patch, other)

    def commit() -> None:
        file.seek(chain.size)
        write_all(file, memoryview(_head_of(link)))

    _in_steps(file, (clear, fill, commit))


def _in_steps(file: IO[bytes], steps: Iterable[Callable[[], None]]) -> None:
    """Does one thing after another to a file, each on the disk before the next begins.

    Raises:
        OSError: from the file.
    """
    for step in steps:
        step()
        sync_open(file.fileno())
