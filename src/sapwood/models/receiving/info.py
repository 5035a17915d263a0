"""What a patch says of itself."""

from __future__ import annotations

from collections import Counter

from sapwood.codec import Coding
from sapwood.files.sources import Source
from sapwood.limits import DEFAULT_LIMITS, Limits
from sapwood.models.receiving.opening import delivery
from sapwood.models.receiving.receiving import Receiving
from sapwood.models.results import PatchInfo
from sapwood.patch.format.front import MAJOR
from sapwood.patch.signatures import signatures_of


def patch_info(patch: Source, *, limits: Limits = DEFAULT_LIMITS) -> PatchInfo:
    """What a patch says of itself; of its payloads nothing is read.

    Args:
        patch: one of model files or of a tensor: a path, bytes, a file object or a URL, of which
            no more is fetched than is shown here.
        limits: memory that the patch may ask for.

    Raises:
        InvalidPatch, TruncatedPatch, UnsupportedPatch, LimitExceeded, InputError, IoError: as
            `apply_patch`.
    """
    with delivery(patch, Receiving(limits=limits), parts=True) as delivered:
        front = delivered.opened().front
        signed = bool(signatures_of(delivered.front))
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
        source_hash=base.digest,
        target_hash=header.target.digest,
        source_size=base.size,
        target_size=header.target.size,
        patch_size=front.patch_size,
        compression="+".join(coding.name.lower() for coding, _ in covered.most_common()),
        neural=not elements.isdisjoint(covered),
        tensors_modified=header.counts.get("tensors_modified", 0),
        tensors_unchanged=header.counts.get("tensors_unchanged", 0),
        signed=signed,
        created_at=header.created_at,
        digest_algorithm=header.target.digest_algorithm,
    )
