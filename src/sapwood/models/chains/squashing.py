"""Makes one patch of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sapwood.errors import InputError
from sapwood.files.outputs import Output
from sapwood.files.sources import Source, folder_of, read_source, unchanged
from sapwood.models.applying.bases import source_list
from sapwood.models.chains.applying import (
    Walk,
    check_links,
    folder_beside,
    nearest,
    way_between,
)
from sapwood.models.chains.format import parse_chain
from sapwood.models.making.creating import create_patch
from sapwood.models.receiving.receiving import ANYBODY, Receiving
from sapwood.models.results import PatchStats
from sapwood.progress import Stages


def squash_chain(  # noqa: PLR0913 (those of `create_patch`, and ours)
    source: Source | Sequence[Source],
    chain: Source,
    output: Output,
    *,
    first: int | bytes | str = 0,
    last: int | bytes | str = -1,
    compression_level: int = 3,
    private_key: bytes | None = None,
    counter: int = 0,
    metadata: Mapping[str, Any] | None = None,
    low_rank: bool = True,
    reverse: Output | None = None,
    receiving: Receiving = ANYBODY,
) -> PatchStats:
    """Makes the one patch that leads from a version of a chain to another.

    It is the patch that `create_patch` makes between the two versions, byte for byte. To
    make it both versions are needed, and so is a file: residuals are coded by how large the
    weights of the base are, and what weights a patch has copied from its base are nowhere
    in it. No patch can be made of patches alone that is as small.

    Args:
        source: a version of the chain from which `first` and `last` can be made; as of
            `apply_chain`.
        chain: a path, bytes or a file object.
        output: where the patch goes: a path or a binary file object.
        first: the version that the patch is to lead from: a number, a negative one from the
            end, or a SHA-256, as `to` of `apply_chain`.
        last: the version that it is to lead to.
        compression_level, private_key, counter, metadata, low_rank, reverse: as of
            `create_patch`.
        receiving: as of `apply_chain`, without a bound of memory; its progress is told how many
            bytes are done, of all versions and of the patch.

    Raises:
        SourceHashMismatch: the source is no version of the chain.
        InputError: the chain has no such versions, they are one, or no way leads to them.
        SignatureError: a link is not signed by a key that is trusted.
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, TargetHashMismatch,
            IoError: as `apply_patch`.
        After any of these the output is as it was.
    """
    receiving.unbounded("making a patch")
    count = receiving.most_threads
    data = read_source(chain)
    found = parse_chain(data, receiving.allowed)
    start, end = found.version(first), found.version(last)
    if start == end:
        raise InputError("both versions are one; choose a first and a last that differ")
    given = source_list(source)
    with unchanged(*(one for one in given if folder_of(one) is None)):
        here, version = nearest(found, given, start, count)
        to_start, to_end = way_between(found, version, start), way_between(found, start, end)
        check_links(data, (*to_start, *to_end), receiving)
        made = sum(link.target.size for link in (*to_start, *to_end))
        size = end.size + (0 if reverse is None else start.size)
        stages = Stages(made + size, receiving.progress)
        walk = Walk(data, folder_beside(output), receiving, stages)
        base = walk.along(here, to_start)
        target = walk.along(base, to_end)
        return create_patch(
            base.data,
            target.data,
            output,
            compression_level,
            private_key=private_key,
            counter=counter,
            metadata=metadata,
            low_rank=low_rank,
            reverse=reverse,
            threads=receiving.threads,
            progress=stages.stage(size),
        )
